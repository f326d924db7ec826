import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers

from gptcli.errors import UsageError
from gptcli.tokenization.template import Template
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer

NAMES = ("<|user|>", "<|assistant|>", "<|end|>")
SPELT = "ab <|user|> ba"
ALPHABET = "".join(sorted(set(SPELT)))


def check_extended(before: Tokenizer, text: str) -> None:
    after = before.extended(NAMES)
    first = before.vocab_size
    assert [after.special_tokens[name] for name in NAMES] == [first, first + 1, first + 2]
    assert after.vocab_size == first + 3
    assert after.encode(text).tolist() == before.encode(text).tolist()
    assert after.decode(before.encode(text)) == before.decode(before.encode(text))
    assert after.extends(before)
    assert not before.extends(after)
    assert after.identity != before.identity

    library = tokenizers.Tokenizer.from_str(after.to_json())
    library.encode_special_tokens = False
    assert library.encode("".join(NAMES), add_special_tokens=False).ids == [
        *range(first, first + 3)
    ]
    again = Tokenizer.from_json(after.to_json())
    assert again.identity == after.identity
    assert again.extends(before)


def test_new_tokens_are_the_last_ids_and_text_keeps_its_own(trained, sample):
    check_extended(trained, sample + "<|user|>")


def test_gpt2_is_extended(gpt2, sample):
    check_extended(gpt2, sample + "<|user|>")


def test_characters_stay_the_fast_kind():
    before = character_tokenizer(ALPHABET)
    check_extended(before, SPELT)
    assert before.extended(NAMES).kind == "char"


def test_ids_that_are_missing_stay_missing():
    inner = tokenizers.Tokenizer(models.WordLevel({"a": 0, "b": 5}, unk_token="a"))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.Split("", "isolated"), decoders.Fuse()
    before = Tokenizer(inner)
    check_extended(before, "abba")
    assert before.extended(NAMES).missing_ids == before.missing_ids == (1, 2, 3, 4)


def test_nothing_lacking_changes_nothing(trained):
    assert trained.extended(["<|pad|>", "<|endoftext|>"]) is trained
    assert trained.extends(trained)
    assert trained.extended(["<|pad|>", "<|end|>", "<|end|>"]).vocab_size == trained.vocab_size + 1


def test_end_and_template_of_the_makers_stay():
    before = character_tokenizer(ALPHABET, special_tokens=("<s>", "</s>"))
    start, end = before.special_tokens.values()
    before.template = Template((start,))
    after = before.extended(NAMES)
    assert after.end_of_text == before.end_of_text == end
    assert after.encode("a", add_special_tokens=True).tolist() == [start, *after.encode("a")]


@pytest.mark.parametrize("other", [character_tokenizer("ab <|us"), character_tokenizer("abc")])
def test_another_vocabulary_is_not_extended(other):
    assert not character_tokenizer(ALPHABET).extended(NAMES).extends(other)


def test_another_order_of_the_same_tokens_is_no_extension():
    base = character_tokenizer(ALPHABET)
    assert not base.extended(NAMES[::-1]).extends(base.extended(NAMES[:1]))


def test_a_token_that_text_becomes_cannot_be_special():
    inner = character_tokenizer(ALPHABET).inner
    copy = tokenizers.Tokenizer.from_str(inner.to_str())
    copy.add_tokens([AddedToken("<|user|>", special=False)])
    with pytest.raises(UsageError, match=r"'<\|user\|>' is a token that text can become"):
        Tokenizer(copy).extended(NAMES)
