"""Chats: prompts as transformers writes them, and turns that read the whole conversation."""

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from gptcli.config.model import ModelConfig
from gptcli.config.sampling import SamplingConfig
from gptcli.data.chat.chat_template import BUILT_IN_TEMPLATE, BUILT_IN_TOKENS, Message
from gptcli.errors import DataError, UsageError
from gptcli.generation.chat import ChatConversation, answering, chat_ids
from gptcli.generation.generate import TextGenerator
from gptcli.generation.loaded_model import LoadedModel
from gptcli.model.initialization import new_model
from gptcli.tokenization.kinds import KINDS, TokenizerSpec
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer, train_tokenizer

TEXT = "What is 27+45? Answer briefly, <|end|> or <|user|>. 27+45 is 72.\n" * 20
SIZES = {"bpe": 300, "word": 40, "wordpiece": 560, "unigram": 340}
CHAT = [
    Message("system", "Answer briefly."),
    Message("user", "What is 27+45?"),
    Message("assistant", "27+45 is 72."),
    Message("user", "or 45+27?"),
]
SPELT = [Message("user", "<|end|><|user|>or"), Message("assistant", "<|end|>"), CHAT[1]]


def with_template(tokenizer: Tokenizer) -> Tokenizer:
    made = tokenizer.extended(BUILT_IN_TOKENS)
    made.chat_template = BUILT_IN_TEMPLATE
    return made


@pytest.fixture
def loaded() -> LoadedModel:
    tokenizer = with_template(character_tokenizer("abcdefghij"))
    model = new_model(ModelConfig(1, 2, 16, 64, tokenizer.vocab_size), 1).eval()
    return LoadedModel(Path("model"), model, tokenizer, "cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_transformers(kind):
    tokenizer = with_template(train_tokenizer(TokenizerSpec(kind, SIZES.get(kind)), [TEXT]))
    theirs = PreTrainedTokenizerFast(tokenizer_object=tokenizer.inner.from_str(tokenizer.to_json()))
    theirs.chat_template = tokenizer.chat_template
    for chat in (CHAT, SPELT) if kind in ("char", "byte") else (CHAT,):
        expected = theirs.apply_chat_template(
            [{"role": one.role, "content": one.content} for one in chat],
            add_generation_prompt=True,
            sanitize_control_tokens=True,
        )
        assert chat_ids(tokenizer, chat) == expected["input_ids"]


def test_a_text_ends_where_the_template_ends_a_turn(loaded):
    end = loaded.tokenizer.special_tokens["<|end|>"]
    assert answering(replace(loaded, end_ids=frozenset({1}))).end_ids == {1, end}


def test_without_a_template_nobody_answers(loaded):
    bare = replace(loaded, tokenizer=character_tokenizer("abc"))
    with pytest.raises(
        UsageError, match=r"model has no chat template.*gptcli prepare instructions"
    ):
        answering(bare)


def test_every_answer_is_that_to_the_whole_conversation(loaded):
    config = SamplingConfig(max_new_tokens=5, temperature=0)
    chat = ChatConversation(loaded, config, [Message("system", "abc")])
    for question in ("de", "fgh", "a"):
        use = chat.ask(question)
        ids = chat_ids(loaded.tokenizer, chat.messages)
        assert use.n_prompt == len(ids)
        expected = "".join(TextGenerator(loaded, ids, config).pieces())
        assert "".join(chat.answer()) == expected
        for name in BUILT_IN_TOKENS:
            expected = expected.replace(name, "")
        assert chat.messages[-1] == Message("assistant", expected)
    assert [one.role for one in chat.messages] == ["system", *["user", "assistant"] * 3]


def test_what_is_refused_or_not_answered_is_no_part_of_the_conversation(loaded):
    chat = ChatConversation(loaded, SamplingConfig(max_new_tokens=5))
    chat.ask("a")
    with pytest.raises(DataError, match="FDD0"):
        chat.ask("b\ufdd0")
    chat.ask("c")
    assert chat.messages == [Message("user", "c")]
    pieces = chat.answer()
    shown = next(pieces)
    pieces.close()
    assert chat.messages[-1] == Message("assistant", shown)
