"""What a text goes on from, and how it fits the context."""

from gptcli.generation.prompt import ContextUse, beginning, without_unseen
from gptcli.tokenization.trainer import character_tokenizer


def test_a_text_begins_after_an_end_of_text_else_a_line_break_else_the_first_token() -> None:
    marked = character_tokenizer("ab\n", special_tokens=["<|endoftext|>"])
    assert beginning(marked).ids == [3]
    assert beginning(character_tokenizer("\tab\n")).ids == [1]
    assert beginning(character_tokenizer("ab")).ids == [0]


def test_characters_without_a_token_are_taken_out_one_by_one() -> None:
    tokenizer = character_tokenizer("abc")
    assert without_unseen(tokenizer, "cab") == ("cab", [])
    assert without_unseen(tokenizer, "xaybxc") == ("abc", ["x", "y", "x"])


def test_the_last_new_token_is_not_read() -> None:
    assert ContextUse(n_prompt=5, n_new=4, context=8).fits
    assert not ContextUse(n_prompt=5, n_new=5, context=8).fits
    assert ContextUse(n_prompt=5, n_new=5, context=8).room == 4


def test_of_a_long_prompt_the_model_sees_its_window() -> None:
    assert ContextUse(n_prompt=8, n_new=1, context=8).n_seen == 8
    assert ContextUse(n_prompt=9, n_new=1, context=8).n_seen == 5
