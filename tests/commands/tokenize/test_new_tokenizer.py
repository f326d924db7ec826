import json
from pathlib import Path

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

TEXT = "the cats sat on the mats while seven other rats were eating all of our bread,\n" * 40


@pytest.fixture
def text(cli) -> Path:
    path = Path("a.txt")
    path.write_text(TEXT)
    return path


def test_a_trained_tokenizer_is_the_librarys(cli, text):
    done = cli("tokenize", "--train", "bpe", "--vocab-size", 300, "--file", text, "--out", "tok")
    assert done.code == 0, done.stderr
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=299, initial_alphabet=alphabet, show_progress=False)
    inner.train_from_iterator([TEXT], trainer)
    ours = tokenizers.Tokenizer.from_file("tok/tokenizer.json")
    assert ours.encode(TEXT).tokens == inner.encode(TEXT).tokens
    assert ours.get_vocab_size() == 300


def test_the_summary_has_what_one_wants_to_know(cli, text):
    out = cli("tokenize", "--train", "bpe:300", "--file", text, "--out", "tok").stdout
    for words in (
        "tok\n",
        "a.txt",
        f"{len(TEXT):,} bytes",
        "300 (bpe)",
        "<|endoftext|>",
        "·eating",
    ):
        assert words in out
    used = cli("tokenize", "--file", text, "--tokenizer", "tok").stdout
    ratio = used.split(" bytes per token")[0].split()[-1]
    assert f"{ratio} bytes per token" in out


def test_json_describes_the_new_tokenizer(cli, text):
    argv = ("--train", "bpe:300", "--file", text, "--out", "tok", "--special-token", "<|user|>")
    answer = json.loads(cli("tokenize", *argv, "--json").stdout)
    assert answer["schema"] == "gptcli.trained-tokenizer/1"
    assert set(answer["special_tokens"]) == {"<|endoftext|>", "<|user|>"}
    assert answer["end_of_text"] == answer["special_tokens"]["<|endoftext|>"]
    assert answer["learnt_from"]["bytes"] == len(TEXT)
    assert answer["tokenizer"]["vocab_size"] == 300


@pytest.mark.parametrize("kind", ["word:40", "bpe:280", "wordpiece:600", "unigram:300"])
def test_every_kind_can_be_trained_and_used(cli, text, kind):
    assert cli("tokenize", "--train", kind, "--file", text, "--out", "tok").code == 0
    ids = cli("tokenize", "the cats sat", "--tokenizer", "tok", "--ids").stdout
    assert cli("tokenize", "--decode", ids, "--tokenizer", "tok").stdout == "the cats sat"


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_small_kinds_get_no_special_tokens_of_themselves(cli, text, kind):
    argv = ("--train", kind, "--file", text, "--json")
    answer = json.loads(cli("tokenize", *argv, "--out", "plain").stdout)
    assert answer["special_tokens"] == {}
    more = json.loads(cli("tokenize", *argv, "--out", "b", "--special-token", "<|b|>").stdout)
    size = answer["tokenizer"]["vocab_size"]
    assert more["special_tokens"] == {"<|b|>": size}


def test_files_that_the_shell_lists_are_all_read(cli, text):
    Path("b.txt").write_text("zebra\n")
    argv = ("tokenize", "--train", "char", "--file", "a.txt", "b.txt", "--out", "tok")
    assert cli(*argv).code == 0
    assert cli("tokenize", "zebra", "--tokenizer", "tok").code == 0


def test_directories_globs_and_stdin_are_read(cli, text):
    Path("more").mkdir()
    Path("more/b.txt").write_text("zebra\n")
    Path("more/c.bin").write_bytes(b"\0\1\2")
    for name, files in {"one": ["more"], "two": ["more/*.txt"], "three": ["-"]}.items():
        argv = ("--train", "char", "--file", *files, "--out", name)
        done = cli("tokenize", *argv, stdin="zebra\n")
        assert done.code == 0, done.stderr
    first, second, third = (Path(n, "tokenizer.json").read_text() for n in ("one", "two", "three"))
    assert first == second == third


def test_training_twice_gives_the_same_file(cli, text):
    for name in ("one", "two"):
        cli("tokenize", "--train", "bpe:300", "--file", text, "--out", name)
    assert Path("one/tokenizer.json").read_bytes() == Path("two/tokenizer.json").read_bytes()


def test_nothing_is_replaced_unasked(cli, text):
    argv = ("tokenize", "--train", "char", "--file", text, "--out", "tok")
    assert cli(*argv).code == 0
    assert cli(*argv).code == 2
    assert cli(*argv, "--overwrite").code == 0
    Path("tok/mine.txt").write_text("keep")
    assert cli(*argv, "--overwrite").code == 2
    assert Path("tok/mine.txt").read_text() == "keep"
    assert cli("tokenize", "--train", "char", "--file", text, "--out", "a.txt").code == 2


def test_a_failure_leaves_no_directory(cli):
    Path("bad.txt").write_bytes(b"ok \xff")
    assert cli("tokenize", "--train", "bpe:300", "--file", "bad.txt", "--out", "tok").code == 3
    assert not Path("tok").exists()
    assert not list(Path().glob(".tmp-*"))


def test_a_vocabulary_smaller_than_the_alphabet_names_both(cli, text):
    done = cli("tokenize", "--train", "bpe", "--vocab-size", 100, "--file", text, "--out", "tok")
    assert (done.code, done.stdout) == (2, "")
    assert "100" in done.stderr
    assert "257" in done.stderr  # bytes and <|endoftext|>


def test_a_sample_is_announced(cli, text, monkeypatch):
    monkeypatch.setattr("gptcli.commands.tokenize.text_source.SAMPLE_BYTES", 2**21)
    Path("big.txt").write_text(TEXT * 2000)
    done = cli("tokenize", "--train", "bpe:300", "--file", "big.txt", "--out", "tok")
    assert done.code == 0
    assert "one chunk in" in done.stderr
    assert f"of {len(TEXT) * 2000:,} bytes" in done.stdout
