import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from tokenizers import decoders, models, pre_tokenizers, trainers

from gptcli.tokenization.kinds import parse_spec
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer, train_tokenizer
from gptcli.tokenization.vocabulary import Vocabulary

TEXT = "the cat sat on the mat, the 猫 sat on the 😀 mat\n" * 20
SPECIAL = "<|end|>"


def byte_level() -> Tokenizer:
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, show_progress=False, special_tokens=[SPECIAL]
    )
    inner.train_from_iterator([TEXT], trainer)
    return Tokenizer(inner)


def metaspace() -> Tokenizer:
    scores = [("<unk>", 0.0), ("▁the", -1.0), ("▁cat", -1.0), ("s", -2.0), ("<0xE2>", -9.0)]
    inner = tokenizers.Tokenizer(models.Unigram(scores, 0, byte_fallback=True))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(), decoders.Fuse()]
    )
    return Tokenizer(inner)


BYTE_LEVEL = byte_level()
BOOK = Vocabulary(BYTE_LEVEL)


@given(st.text())
def test_the_bytes_of_the_ids_are_the_bytes_of_the_text(text):
    ids = BYTE_LEVEL.encode(text).tolist()
    assert b"".join(BOOK.entry(number).content for number in ids) == text.encode()


@pytest.mark.parametrize(
    "kind", ["char", "byte", "word:60", "bpe:300", "wordpiece:600", "unigram:300"]
)
def test_the_text_of_every_kind_is_its_entries_one_after_another(kind):
    tokenizer = train_tokenizer(parse_spec(kind), [TEXT])
    book = Vocabulary(tokenizer)
    entries = [book.entry(number) for number in tokenizer.encode(TEXT).tolist()]
    assert b"".join(entry.content for entry in entries).decode() == TEXT
    assert not any(entry.is_special for entry in entries)


def test_gpt2s_code_book_is_tiktokens(shared):
    folder = shared / "data" / "gpt2"
    files = str(folder / "vocab.bpe"), str(folder / "encoder.json")
    ranks = data_gym_to_mergeable_bpe_ranks(*files)
    inner = tokenizers.Tokenizer(models.BPE(*models.BPE.read_file(files[1], files[0])))
    inner.decoder = decoders.ByteLevel()
    book = Vocabulary(Tokenizer(inner))
    assert {entry.content: entry.number for entry in book if entry.number < 50256} == ranks


def test_parts_of_characters_are_shown_as_bytes():
    labels = [BOOK.entry(number).label for number in BYTE_LEVEL.encode("é").tolist()]
    assert labels == ["\\xc3", "\\xa9"]
    assert BOOK.entry(BYTE_LEVEL.encode("é")[0]).text == "\ufffd"


def test_special_tokens_are_marked_and_spelt_as_they_are():
    special = [entry for entry in BOOK if entry.is_special]
    assert [(entry.number, entry.text) for entry in special] == [(0, SPECIAL)]
    unknown = Vocabulary(character_tokenizer("ab", unk=True)).entry(2)
    assert (unknown.label, unknown.is_special) == ("<unk>", True)


def test_leading_spaces_that_a_decoder_drops_are_there():
    labels = [entry.label for entry in Vocabulary(metaspace())]
    assert labels == ["<unk>", "·the", "·cat", "s", "\\xe2"]


def test_characters_are_their_own_pieces():
    entries = list(Vocabulary(character_tokenizer("b\n a")))
    assert [entry.label for entry in entries] == ["⏎", "·", "a", "b"]
    assert [entry.content for entry in entries] == [b"\n", b" ", b"a", b"b"]


def test_a_search_finds_the_id_first_then_text_and_labels():
    book = Vocabulary(character_tokenizer("0123 "))
    assert [entry.number for entry in book.search("3")] == [3, 4]
    assert [entry.text for entry in book.search("·")] == [" "]
    assert [entry.text for entry in book.search(" ")] == [" "]
    assert list(book.search("x")) == list(book.search("9" * 30)) == []


def test_searching_text_finds_what_contains_it():
    found = {entry.text for entry in BOOK.search("the")}
    assert {" the"} <= found
    assert found == {entry.text for entry in BOOK if "the" in entry.text}
