"""Ids and masks of chats against transformers' apply_chat_template."""

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from gptcli.data.chat.chat_template import (
    BUILT_IN_TEMPLATE,
    BUILT_IN_TOKENS,
    ChatTemplate,
    DocumentPart,
    Message,
)
from gptcli.data.chat.encoding import PartEncoder, check_holds_chats, encode_parts, plain_texts
from gptcli.errors import UsageError
from gptcli.tokenization.kinds import TokenizerSpec
from gptcli.tokenization.trainer import train_tokenizer
from gptcli.tokenization.unseen import UnseenCharacterError

TEXT = "the cat sat on the mat and the cat said: what is 12 + 34? it is 46, said the mat. " * 20
END = "<|im_end|>"
# A template with text between a question and its answer, so that ids cross the border.
BRACKETS = (
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}"
    "{% else %}[{{ m.content }}] {% endif %}{% endfor %}"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ m.content }}<|im_end|>{% endif %}{{ '\n' }}{% endfor %}"
)
LLAMA3 = (
    "{{ '<|begin_of_text|>' }}{% for m in messages %}"
    "<|start_header_id|>{{ m.role }}<|end_header_id|>{{ '\n\n' }}"
    "{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content | trim }}<|eot_id|>{% endgeneration %}"
    "{% else %}{{ m.content | trim }}<|eot_id|>{% endif %}{% endfor %}"
)
TEMPLATES = {
    "built-in": (BUILT_IN_TEMPLATE, BUILT_IN_TOKENS),
    "llama3": (
        LLAMA3,
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    ),
    "chatml": (CHATML, ("<|im_start|>", END)),
    "brackets": (BRACKETS, (END,)),
}
KINDS = {
    kind: train_tokenizer(TokenizerSpec(kind, size), [TEXT])
    for kind, size in (("byte", None), ("bpe", 300))
}


def ours_and_theirs(kind, template):
    text, names = TEMPLATES[template]
    tokenizer = KINDS[kind].extended(names).with_chat_template(text)
    theirs = PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer.from_str(tokenizer.to_json())
    )
    theirs.chat_template = text
    return tokenizer, theirs


def as_json(messages):
    return [{"role": one.role, "content": one.content} for one in messages]


def chats(content):
    """Conversations of all roles in any order."""
    roles = st.sampled_from(["system", "user", "assistant"])
    return st.lists(st.builds(Message, roles, content), min_size=1, max_size=5)


# An answer that is empty or ends in white space is marked too far by transformers (#47325).
SENTENCES = st.text("the cat12+? é", min_size=1, max_size=12).map(lambda text: f"{text}.")


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("kind", ["byte", "bpe"])
@settings(deadline=None, max_examples=30)
@given(messages=chats(SENTENCES))
def test_ids_and_masks_are_those_of_transformers(kind, template, messages):
    tokenizer, theirs = ours_and_theirs(kind, template)
    chat = ChatTemplate.of(tokenizer)
    parts = chat.render(messages)
    arrays = PartEncoder(tokenizer, "uint16").encode(parts)
    expected = theirs.apply_chat_template(
        as_json(messages), return_assistant_tokens_mask=True, return_dict=True
    )
    targets = [part.target for part, ids in zip(parts, arrays, strict=True) for _ in ids]
    assert np.concatenate(arrays).tolist() == expected["input_ids"]
    assert targets == expected["assistant_masks"]


@pytest.mark.parametrize("template", ["built-in", "chatml", "llama3"])
@pytest.mark.parametrize("kind", ["byte", "bpe"])
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_a_spelled_special_token_has_the_ids_of_text(kind, template, data):
    names = TEMPLATES[template][1]
    piece = st.sampled_from(["the ", "a", "<|", "|>", *names])
    messages = data.draw(chats(st.lists(piece, max_size=4).map("".join)))
    tokenizer, theirs = ours_and_theirs(kind, template)
    parts = ChatTemplate.of(tokenizer).render(messages)
    expected = theirs.apply_chat_template(
        as_json(messages), sanitize_control_tokens=True, return_dict=True
    )
    assert encode_parts(tokenizer, parts).tolist() == expected["input_ids"]


def test_a_special_token_takes_the_white_space_that_it_takes_in_transformers():
    tokenizer = KINDS["bpe"].extended([END])
    content = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    content.add_special_tokens([tokenizers.AddedToken("<|s|>", rstrip=True, lstrip=True)])
    whole = type(tokenizer).from_json(content.to_str())
    parts = [DocumentPart("the \n"), DocumentPart("<|s|>", special=True), DocumentPart(" cat")]
    assert encode_parts(whole, parts).tolist() == content.encode("the \n<|s|> cat").ids


def test_parts_that_are_not_joined_are_encoded_apart():
    tokenizer = KINDS["bpe"]
    parts = [DocumentPart("th", 0), DocumentPart("e")]
    apart = [*tokenizer.encode("th"), *tokenizer.encode("e")]
    assert encode_parts(tokenizer, parts).tolist() == apart != tokenizer.encode("the").tolist()


def test_an_unknown_character_is_that_of_its_part():
    tokenizer = train_tokenizer(TokenizerSpec("char"), ["abc"]).extended([END])
    parts = [DocumentPart("a"), DocumentPart(END, special=True), DocumentPart("bx")]
    with pytest.raises(UnseenCharacterError) as caught:
        PartEncoder(tokenizer, "uint16").encode(parts)
    assert (caught.value.text_index, caught.value.offset) == (2, 1)


def test_texts_end_at_special_tokens():
    parts = [DocumentPart("a"), DocumentPart("b"), DocumentPart(END, special=True)]
    assert [*plain_texts([*parts, DocumentPart("c")])] == ["ab", "c"]


def test_a_tokenizer_that_puts_a_space_before_the_first_word_alone_holds_no_chats():
    for scheme, is_refused in (("first", True), ("always", False), ("never", False)):
        made = tokenizers.Tokenizer(
            tokenizers.models.Unigram([("<unk>", 0.0), ("▁a", -1.0), ("a", -1.5), ("▁", -2.0)], 0)
        )
        made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme=scheme)
        made.decoder = tokenizers.decoders.Metaspace(prepend_scheme=scheme)
        tokenizer = type(KINDS["bpe"]).from_json(made.to_str()).extended([END])
        if is_refused:
            with pytest.raises(UsageError, match="cannot hold chats"):
                check_holds_chats(tokenizer, END)
        else:
            check_holds_chats(tokenizer, END)
