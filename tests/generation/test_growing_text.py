"""A sample while it grows: why it ends, and what is text of it."""

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from gptcli.generation.growing_text import GrowingText
from gptcli.tokenization.tokenizer import Tokenizer

END = 256


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = tokenizers.Tokenizer(models.BPE({one: n for n, one in enumerate(alphabet)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(["<|endoftext|>"])
    return Tokenizer(inner)


def grown(text: GrowingText, ids: list[int]) -> GrowingText:
    for number in ids:
        if text.finish is None:
            text.add(number)
    text.close("length")
    return text


def test_all_tokens_without_a_stop_are_its_text(tokenizer):
    ids = tokenizer.encode("naïve 😀").tolist()
    text = grown(GrowingText(tokenizer, (), {END}), ids)
    assert (text.text, text.ids, text.finish) == ("naïve 😀", ids, "length")
    assert "ï" in text.parts


def test_an_end_of_text_is_no_text(tokenizer):
    ids = [*tokenizer.encode("ab").tolist(), END]
    text = grown(GrowingText(tokenizer, ("b!",), {END}), [*ids, 1, 2])
    assert (text.text, text.ids, text.finish) == ("ab", ids, "end_of_text")


def test_without_ends_the_token_is_written_out(tokenizer):
    text = grown(GrowingText(tokenizer, (), ()), [END])
    assert (text.text, text.finish) == ("<|endoftext|>", "length")


@pytest.mark.parametrize(("stop", "expected"), [("c", "ab"), ("é", "abc"), ("bc", "a")])
def test_a_stop_string_spans_tokens_and_is_no_text(tokenizer, stop, expected):
    text = grown(GrowingText(tokenizer, (stop, "zz"), {END}), tokenizer.encode("abcéd").tolist())
    assert (text.text, text.finish) == (expected, "stop")
    assert tokenizer.decode(text.ids).endswith(stop)


def test_what_was_held_back_for_a_stop_string_is_given_at_the_end(tokenizer):
    text = grown(GrowingText(tokenizer, ("abc",), {END}), tokenizer.encode("xab").tolist())
    assert (text.text, text.finish) == ("xab", "length")


def test_a_character_that_breaks_off_shows_as_one(tokenizer):
    text = grown(GrowingText(tokenizer, (), {END}), tokenizer.encode("a😀").tolist()[:-1])
    assert text.text == "a\ufffd"
