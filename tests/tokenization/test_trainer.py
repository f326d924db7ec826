import os
import re
import subprocess
import sys

import pytest
import tokenizers
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

from gptcli.errors import DataError, UsageError
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.kinds import KINDS, SIZED_KINDS, UNK, TokenizerSpec
from gptcli.tokenization.splits import WORDPIECE_SPLIT, Cuts, cuts_of
from gptcli.tokenization.text_loss import is_made_here
from gptcli.tokenization.trainer import character_tokenizer, train_tokenizer

fast = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_words = ["the", " the", "#", "##", "##ing", "<unk>", "<0x41>", "<|endoftext|>", "▁", "▁the", "<"]
_marks = [" ", "\n", "\r\n", "\t", "  ", "\0", "\ufeff", "\u0301", "\u200d", "😀", "日本", "Ġ"]
_parts = st.sampled_from(_words + _marks)
texts = st.lists(_parts | st.characters(exclude_categories=["Cs"]), max_size=20).map("".join)
LOSSLESS = ("byte", "bpe", "wordpiece", "unigram")


def spec_of(kind: str, size: int = 700, special: tuple[str, ...] = ()) -> TokenizerSpec:
    return TokenizerSpec(kind, size if kind in SIZED_KINDS else None, special_tokens=special)


@pytest.mark.parametrize("kind", LOSSLESS)
@fast
@given(text=texts)
@example(text="<0x41><0x0A><unk><|endoftext|>")
@example(text=" \n  a  \n\n ▁b ")
@example(text="######### ## ##")
def test_any_text_comes_back_byte_for_byte(trained_kind, kind, text):
    tokenizer = trained_kind(kind)
    ids = tokenizer.encode(text).tolist()
    assert tokenizer.decode(ids) == text
    assert not set(ids) & set(tokenizer.special_tokens.values())
    if kind == "unigram":
        assert tokenizer.inner.token_to_id(UNK) not in ids


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_it_was_made_from_comes_back(kind, sample):
    tokenizer = train_tokenizer(spec_of(kind, 900), [sample])
    assert tokenizer.decode(tokenizer.encode(sample)) == sample


def test_words_are_words_white_spaces_and_marks(sample):
    tokenizer = train_tokenizer(spec_of("word"), [sample])
    text = "You're resolved to die,\n\n  naïve café; e\u0301 ##."
    pieces = [tokenizer.piece(number) for number in tokenizer.encode(text)]
    expected = "You're| |resolved| |to| |die|,|\n|\n| | |naïve| |café|;| |e\u0301| |#|#|."
    assert pieces == expected.split("|")


def test_a_space_can_belong_to_the_word_after_it(sample):
    spec = TokenizerSpec("word", 900, word_space=True)
    tokenizer = train_tokenizer(spec, [sample])
    text = "You're resolved  to die,\n speak."
    pieces = [tokenizer.piece(number) for number in tokenizer.encode(text)]
    assert pieces == ["You're", " resolved", " ", " to", " die", ",", "\n", " speak", "."]
    assert is_made_here(tokenizer)
    assert cuts_of(tokenizer) is Cuts.WORDS


def test_only_words_can_have_their_space():
    with pytest.raises(UsageError, match="--word-space is for word, not for bpe"):
        TokenizerSpec("bpe", word_space=True)


def test_an_unknown_word_is_one_unk(sample):
    tokenizer = train_tokenizer(spec_of("word", special=("<eos>",)), [sample + "<>"])
    assert tokenizer.decode(tokenizer.encode("speak Zanzibar <unk>")) == "speak <unk> <<unk>>"
    assert tokenizer.inner.token_to_id(UNK) == tokenizer.vocab_size - 2


def test_the_most_frequent_words_are_kept():
    tokenizer = train_tokenizer(TokenizerSpec("word", 4), ["b b b a a c "])
    assert [tokenizer.piece(number) for number in range(4)] == [" ", "b", "a", UNK]


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_get_the_last_ids_and_no_text_becomes_one(kind, sample):
    names = ("<|endoftext|>", "<s>")
    text = sample + "<|endoftext|> <s>" * 50
    plain = train_tokenizer(spec_of(kind, 700), [text])
    tokenizer = train_tokenizer(spec_of(kind, 702, special=names), [text])
    size = tokenizer.vocab_size
    assert tokenizer.special_tokens == {"<|endoftext|>": size - 2, "<s>": size - 1}
    assert tokenizer.end_of_text == size - 2
    if kind != "unigram":  # which may learn the names as pieces where they are no tokens
        assert tokenizer.encode(text).tolist() == plain.encode(text).tolist()
    assert not {size - 2, size - 1} & set(tokenizer.encode(text).tolist())
    assert tokenizer.decode([size - 2, size - 1]) == "<|endoftext|><s>"


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_named(kind, trained_kind):
    assert trained_kind(kind).kind == kind


@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram"])
def test_the_vocabulary_has_the_size_asked_for(kind, shared):
    text = (shared / "data" / "tinyshakespeare.txt").read_text(encoding="utf-8")[:100_000]
    assert train_tokenizer(spec_of(kind, 1000, ("<eos>",)), [text]).vocab_size == 1000


def test_bytes_are_their_values():
    tokenizer = train_tokenizer(TokenizerSpec("byte"), ["anything"])
    text = "".join(map(chr, range(0x100))) + "日😀"
    assert tokenizer.encode(text).tolist() == list(text.encode())
    assert tokenizer.vocab_size == 256


@pytest.mark.parametrize("unk", [False, True])
def test_characters_are_what_they_always_were(sample, unk):
    tokenizer = train_tokenizer(TokenizerSpec("char", unk=unk), [sample[:99], sample[99:]])
    assert tokenizer.to_json() == character_tokenizer(sample, unk).to_json()


def test_the_lectures_characters(shared):
    text = (shared / "data" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    tokenizer = train_tokenizer(TokenizerSpec("char"), [text])
    assert tokenizer.vocab_size == 65
    assert tokenizer.encode("hii there").tolist() == [46, 47, 47, 1, 58, 46, 43, 56, 43]


def chunks(text: str, length: int) -> list[str]:
    """The text in pieces of about a length, each cut where Cuts.WORDS allows."""
    return re.findall(rf"(?s).{{1,{length}}}.*?(?:[^\W_](?=[ \n])|\Z)", text)


def test_byte_pairs_are_those_of_the_library(shared):
    text = (shared / "data" / "wikitext2-valid.txt").read_text(encoding="utf-8")[:400_000]
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=2000, initial_alphabet=alphabet, show_progress=False)
    theirs.train_from_iterator([text], trainer)
    parts = chunks(text, 90_000)
    assert "".join(parts) == text and len(parts) > 3
    assert train_tokenizer(TokenizerSpec("bpe", 2000), parts).to_json() == (
        theirs.to_str(pretty=True) + "\n"
    )


def longest_match(word: str, vocabulary: dict[str, int]) -> list[int]:
    """WordPiece as published: the longest piece that begins the rest of the word, again."""
    ids, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next(end for end in ends if prefix + word[start:end] in vocabulary)
        ids.append(vocabulary[prefix + word[start:end]])
        start = end
    return ids


@fast
@given(text=texts)
def test_word_pieces_are_the_longest_that_match(trained_kind, text):
    tokenizer = trained_kind("wordpiece")
    vocabulary = tokenizer.content["model"]["vocab"]
    split = pre_tokenizers.Split(tokenizers.Regex(WORDPIECE_SPLIT), "isolated")
    letters = byte_letters()
    words = [
        "".join(letters[value] for value in word.encode())
        for word, _ in split.pre_tokenize_str(text)
    ]
    expected = [number for word in words for number in longest_match(word, vocabulary)]
    assert tokenizer.encode(text).tolist() == expected


_RUN = """
import sys
from gptcli.tokenization.kinds import TokenizerSpec
from gptcli.tokenization.trainer import train_tokenizer
text = open(sys.argv[1], encoding="utf-8").read()[:150_000]
for kind in ("word", "bpe", "wordpiece", "unigram"):
    print(train_tokenizer(TokenizerSpec(kind, 1500), [text[:70_000], text[70_000:]]).identity)
"""


def test_the_same_text_gives_the_same_tokenizer_in_every_process(shared):
    path = str(shared / "data" / "wikitext2-valid.txt")
    found = set()
    for seed, threads in (("1", "1"), ("2", "3"), ("3", "2")):
        chance = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads}
        command = [sys.executable, "-c", _RUN, path]
        done = subprocess.run(command, env=chance, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1
    assert len(found.pop().split()) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_each_text_is_reported_when_it_is_read(kind, sample):
    parts = [sample[:200], "", sample[200:]]
    seen: list[int] = []
    train_tokenizer(spec_of(kind), iter(parts), seen.append)
    assert seen == [len(part.encode()) for part in parts]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_printed(kind, sample, capfd):
    train_tokenizer(spec_of(kind), [sample])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nothing", [[], [""], ["", ""]])
def test_no_text_is_a_data_error(kind, nothing):
    with pytest.raises(DataError, match=r"the text is empty|no characters"):
        train_tokenizer(spec_of(kind), nothing)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [DataError("line 3 is bad"), KeyboardInterrupt()])
def test_an_error_of_the_texts_is_the_error(kind, error):
    def texts():
        yield "some text "
        raise error

    with pytest.raises(type(error)) as caught:
        train_tokenizer(spec_of(kind), texts())
    assert caught.value is error


NEEDED = {"word": 4, "bpe": 258, "wordpiece": 514}


@pytest.mark.parametrize("kind", NEEDED)
def test_a_vocabulary_smaller_than_the_alphabet_is_refused_with_one_that_works(kind, sample):
    special = ("<eos>", "<pad>")
    least = NEEDED[kind]
    with pytest.raises(UsageError) as caught:
        train_tokenizer(spec_of(kind, least - 1, special), [sample])
    assert f"--vocab-size {least - 1} is too small for {kind}" in str(caught.value)
    assert f"need {least} tokens" in str(caught.value)
    size = int(str(caught.value).rsplit(" ", 1)[1])
    assert train_tokenizer(spec_of(kind, size, special), [sample]).vocab_size <= size
    assert train_tokenizer(spec_of(kind, least, special), [sample]).vocab_size == least


@pytest.mark.parametrize("kind", SIZED_KINDS)
def test_little_text_makes_a_small_vocabulary(kind):
    tokenizer = train_tokenizer(spec_of(kind, 5000), ["so it is"])
    assert tokenizer.vocab_size < 600
    assert tokenizer.decode(tokenizer.encode("so it is")) == "so it is"


@pytest.mark.parametrize("kind", KINDS)
def test_long_words_are_no_trouble(kind):
    # A trainer that takes them as they are needs the square of their length: a minute each.
    text = "x" * 300_000 + "\n" + "ab" * 100_000 + " " * 100_000 + "?!" * 100_000
    tokenizer = train_tokenizer(spec_of(kind), [text])
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_transformers_gives_the_same_ids(trained, sample, tmp_path):
    transformers = pytest.importorskip("transformers")
    (tmp_path / "tokenizer.json").write_text(trained.to_json(), encoding="utf-8")
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "tokenizer.json"), clean_up_tokenization_spaces=False
    )
    ids = theirs.encode(sample, add_special_tokens=False)
    assert ids == trained.encode(sample).tolist()
    assert theirs.decode(ids) == trained.decode(ids)
