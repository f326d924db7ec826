import base64
import io
import json
import os
from pathlib import Path

import pytest

from gptcli.errors import CheckpointError, GptcliError, UsageError
from gptcli.tokenization import loading
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.loading import load_tokenizer
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer

TIKTOKEN = b"".join(base64.b64encode(bytes([n])) + b" %d\n" % n for n in range(256))
VOCABULARY = json.dumps({name: number for number, name in enumerate([*byte_letters(), "th"])})
MERGES = "#version: 0.2\nt h\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no way to the hub."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "fetch_tokenizer", lambda name, hint: pytest.fail(name))
    return tmp_path


def characters(directory: Path, alphabet: str = "abc") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "tokenizer.json"
    file.write_text(character_tokenizer(alphabet).to_json(), encoding="utf-8")
    return file


def two_files(directory: Path, first: str, second: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / first).write_text(VOCABULARY, encoding="utf-8")
    (directory / second).write_text(MERGES, encoding="utf-8")
    return directory


def sentencepiece_model(file: Path) -> Path:
    sentencepiece = pytest.importorskip("sentencepiece")
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the cat sat on the mat, that is that"] * 9),
        model_writer=written,
        vocab_size=24,
        hard_vocab_limit=False,
        minloglevel=3,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(written.getvalue())
    return file


def test_a_file_and_its_directory_are_the_same_tokenizer(here):
    file = characters(here / "set")
    expected = character_tokenizer("abc").identity
    for name in (file, str(file), here / "set", "set", "set/", "./set"):
        assert load_tokenizer(name).identity == expected


def test_a_tokenizer_json_may_have_any_name(here):
    characters(here).rename(here / "mine.json")
    (here / "mine").write_bytes((here / "mine.json").read_bytes())
    assert load_tokenizer("mine.json").identity == load_tokenizer("mine").identity


@pytest.mark.parametrize("names", [("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt")])
def test_two_files_in_a_directory(here, names):
    tokenizer = load_tokenizer(two_files(here / "gpt", *names))
    assert tokenizer.encode("th").tolist() == [256]


def test_the_first_of_several_counts(here):
    two_files(here, "encoder.json", "vocab.bpe")
    sentencepiece_model(here / "tokenizer.model")
    assert load_tokenizer(here).kind == "bpe"
    characters(here)
    assert load_tokenizer(here).kind == "char"


def test_sentencepiece_models_by_file_and_by_directory(here):
    identities = {
        load_tokenizer(path).identity
        for name in ("mine.model", "a/tokenizer.model", "b/spiece.model")
        for path in (sentencepiece_model(here / name),)
    }
    assert load_tokenizer("a").identity in identities
    assert load_tokenizer("b").identity in identities
    assert len(identities) == 1


@pytest.mark.parametrize("name", ["t.tiktoken", "set/tokenizer.model", "ranks"])
def test_tiktoken_files_whatever_their_name(here, name):
    (here / name).parent.mkdir(exist_ok=True)
    (here / name).write_bytes(TIKTOKEN)
    assert load_tokenizer(name, "gpt2").encode("é").tolist() == [0xC3, 0xA9]
    with pytest.raises(UsageError, match="add --pattern"):
        load_tokenizer(name)
    if name.startswith("set"):
        assert load_tokenizer("set", "cl100k").vocab_size == 257


def test_a_pattern_is_refused_where_it_would_change_nothing(here):
    file, directory = characters(here / "a"), two_files(here / "b", "vocab.json", "merges.txt")
    for path in (file, here / "a", directory, sentencepiece_model(here / "m.model")):
        with pytest.raises(UsageError, match=r"--pattern is for a \.tiktoken file"):
            load_tokenizer(path, "gpt2")


def test_a_path_that_exists_wins_over_the_hub(here):
    characters(here / "gpt2")
    characters(here / "owner" / "name", "xyz")
    assert load_tokenizer("gpt2").vocab_size == 3
    assert load_tokenizer("owner/name").encode("x").tolist() == [0]


def test_other_names_go_to_the_hub(here, monkeypatch):
    characters(here / "cache" / "snapshot")
    asked: list[str] = []

    def fetch(name: str, hint: str) -> Path:
        asked.append(name)
        return here / "cache" / "snapshot"

    monkeypatch.setattr(loading, "fetch_tokenizer", fetch)
    for name in ("gpt2", "owner/name", "Qwen/Qwen2.5-0.5B"):
        assert load_tokenizer(name).vocab_size == 3
    assert asked == ["gpt2", "owner/name", "Qwen/Qwen2.5-0.5B"]


@pytest.mark.parametrize(
    ("name", "meant"), [("byt", "byte"), ("chr", "char"), ("bp:512", "bpe:512"), ("wrd", "word")]
)
def test_a_misspelt_kind_is_not_looked_for_on_the_hub(here, monkeypatch, name, meant):
    monkeypatch.setattr(loading, "fetch_tokenizer", lambda *_: pytest.fail("it was looked for"))
    with pytest.raises(UsageError, match=f"did you mean {meant}\\?"):
        load_tokenizer(name)


LIKE_PATHS = [
    "none.json", "none.model", "none.tiktoken", "./none", "../none", "/none", "a/b/c", "set/none",
    "a/../b", "http://localhost/x", "~/none", "bpe:512x", "a b", "C:\\x", "\0",
    "x" * 5000, "é", "-",
]  # fmt: skip


@pytest.mark.parametrize("name", LIKE_PATHS)
def test_what_looks_like_a_path_is_never_asked_for(here, name):
    (here / "set").mkdir()
    with pytest.raises(UsageError, match="no tokenizer at") as caught:
        load_tokenizer(name)
    assert "\n" not in str(caught.value)


def test_a_path_object_is_a_path(here):
    with pytest.raises(UsageError, match="no tokenizer at gpt2"):
        load_tokenizer(Path("gpt2"))


def test_the_nearest_name_is_suggested(here):
    characters(here / "data" / "shakespeare")
    for name, meant in {
        "data/shakespear": "data/shakespeare",
        "data/shakespeare/tokeniser.json": "data/shakespeare/tokenizer.json",
        "bpee:512": "bpe:512",
    }.items():
        with pytest.raises(UsageError, match=f"did you mean {meant}\\?"):
            load_tokenizer(name)


def test_suggestions_go_along_to_the_hub(here, monkeypatch):
    characters(here / "gpt-2-mine")
    hints: list[str] = []

    def fetch(name: str, hint: str) -> Path:
        hints.append(hint)
        raise UsageError(name)

    monkeypatch.setattr(loading, "fetch_tokenizer", fetch)
    for name in ("gpt-2-mien", "unigram-small", "gpt2"):
        with pytest.raises(UsageError):
            load_tokenizer(name)
    assert hints == ["; did you mean gpt-2-mine?", "; did you mean unigram?", ""]


def test_what_is_there_but_no_tokenizer_is_said_with_what_would_be(here):
    (here / "empty").mkdir()
    (here / "notes.txt").write_text("First Citizen:\n")
    os.mkfifo(here / "fifo")
    for name in ("empty", "notes.txt", "fifo"):
        with pytest.raises(UsageError, match=r"tokenizer\.json.*vocab\.bpe.*\.tiktoken"):
            load_tokenizer(name)


@pytest.mark.parametrize("name", ["encoder.json", "vocab.bpe", "vocab.json", "merges.txt"])
def test_half_of_two_files_is_not_enough(here, name):
    (here / "half").mkdir()
    (here / "half" / name).write_text("{}")
    with pytest.raises(UsageError, match="no tokenizer in half"):
        load_tokenizer("half")
    with pytest.raises(UsageError, match="one of two files: give their directory, half"):
        load_tokenizer(f"half/{name}")


DAMAGED = {
    "tokenizer.json": b"{",
    "tokenizer.model": b"\x0a\xff\xff",
    "x.model": b"",
    "x.json": b"[]",
    "x.tiktoken": b"nothing",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_unusable_is_named_in_one_line(here, capfd, name):
    directory = here / "set"
    directory.mkdir()
    (directory / name).write_bytes(DAMAGED[name])
    if name.endswith("model"):
        pytest.importorskip("sentencepiece")
    for path in (directory, directory / name) if name.startswith("tok") else (directory / name,):
        with pytest.raises(CheckpointError, match=name) as caught:
            load_tokenizer(path, "gpt2" if name == "x.tiktoken" else None)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_damaged_vocabulary_is_named(here):
    directory = two_files(here / "gpt", "encoder.json", "vocab.bpe")
    (directory / "vocab.bpe").write_text("x y\n")
    with pytest.raises(CheckpointError, match=r"gpt/vocab\.bpe, line 1"):
        load_tokenizer(directory)


def test_a_huge_file_is_not_read(here, monkeypatch):
    monkeypatch.setattr(loading, "LARGEST_FILE", 1000)
    for name in ("x.model", "x.tiktoken", "gpt/vocab.json"):
        two_files(here / "gpt", "vocab.json", "merges.txt")
        (here / "x.model").write_bytes(bytes(1001))
        (here / "x.tiktoken").write_bytes(TIKTOKEN)
        with pytest.raises(CheckpointError, match="more than 1,000 bytes"):
            load_tokenizer("gpt" if name.startswith("gpt") else name, None)


@pytest.mark.parametrize("name", ["set", "set/tokenizer.json", "half/tokenizer.json"])
def test_links_that_lead_nowhere_are_foreseen(here, name):
    (here / "set").mkdir()
    (here / "half").mkdir()
    (here / "set" / "tokenizer.json").symlink_to(here / "none")
    (here / "half" / "tokenizer.json").symlink_to("tokenizer.json")
    with pytest.raises(GptcliError) as caught:
        load_tokenizer(name)
    assert "\n" not in str(caught.value)


def test_gpt2_by_its_directory(shared):
    gpt2 = load_tokenizer(shared / "data" / "gpt2")
    assert isinstance(gpt2, Tokenizer)
    assert gpt2.encode("hii there").tolist() == [71, 4178, 612]
