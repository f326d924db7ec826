"""Decoding while ids come: the text of all at once, never half a character."""

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from gptcli.tokenization.incremental import IncrementalDecoder
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer


def byte_level() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = tokenizers.Tokenizer(models.BPE({one: n for n, one in enumerate(alphabet)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return Tokenizer(inner)


def metaspace() -> Tokenizer:
    """Drops the space at the beginning of a text, and spells the rest in bytes."""
    names = ["▁", "▁a", "b", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = {name: number for number, name in enumerate(names)}
    inner = tokenizers.Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
    space = decoders.Replace("▁", " ")
    inner.decoder = decoders.Sequence(
        [space, decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return Tokenizer(inner)


TOKENIZERS = (byte_level(), metaspace(), character_tokenizer("ab\n "))


@given(st.sampled_from(TOKENIZERS), st.lists(st.integers(0, 300), max_size=30))
def test_one_id_at_a_time_gives_the_text_of_all(tokenizer, numbers):
    ids = [number % tokenizer.vocab_size for number in numbers]
    decoder = IncrementalDecoder(tokenizer)
    pieces = [*(decoder.feed([number]) for number in ids), decoder.finish()]
    assert "".join(piece.text for piece in pieces) == tokenizer.decode(ids)
    assert [number for piece in pieces for number in piece.ids] == ids


@given(st.text(st.characters(exclude_characters="\ufffd", exclude_categories=["Cs"])))
def test_every_character_comes_with_its_last_byte(text):
    tokenizer = TOKENIZERS[0]
    decoder = IncrementalDecoder(tokenizer)
    pieces = [decoder.feed([number]).text for number in tokenizer.encode(text).tolist()]
    assert [piece for piece in pieces if piece] == list(text)


def test_what_never_becomes_a_character_is_given_at_the_end():
    tokenizer = TOKENIZERS[0]
    decoder = IncrementalDecoder(tokenizer)
    assert decoder.feed(tokenizer.encode("😀").tolist()[:2]).text == ""
    assert decoder.finish().text == "\ufffd"
    assert decoder.finish().ids == []


def test_endless_parts_of_characters_do_not_fill_the_memory():
    tokenizer = TOKENIZERS[0]
    part = next(n for n in range(256) if tokenizer.piece(n) == "\ufffd")
    decoder = IncrementalDecoder(tokenizer, most_held=1000)
    pieces = [decoder.feed([part] * 400) for _ in range(9)]
    assert [len(piece.ids) for piece in pieces] == [0, 0, 1200] * 3
    assert pieces[2].text == "\ufffd" * 1200


@pytest.mark.parametrize("size", [1, 7])
def test_every_part_of_a_long_run_is_looked_at_once(monkeypatch, size):
    tokenizer = TOKENIZERS[0]
    part = next(n for n in range(256) if tokenizer.piece(n) == "\ufffd")
    looked = []
    decoder = IncrementalDecoder(tokenizer)
    monkeypatch.setattr(
        decoder._vocabulary, "ends_whole", lambda ids, end: bool(looked.append(end))
    )
    for _ in range(100):
        decoder.feed([part] * size)
    assert len(looked) == 100 * size
