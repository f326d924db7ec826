"""A conversation: what its turns are drawn from, and what of them is kept."""

from pathlib import Path

import pytest

from gptcli.config.model import ModelConfig
from gptcli.config.sampling import SamplingConfig
from gptcli.generation.conversation import Conversation
from gptcli.generation.generate import TextGenerator
from gptcli.generation.loaded_model import LoadedModel
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer


@pytest.fixture
def loaded() -> LoadedModel:
    model = new_model(ModelConfig(1, 2, 16, 12, 10), 1).eval()
    return LoadedModel(Path("model"), model, character_tokenizer("abcdefghij"), "cpu")


def test_a_turn_is_what_the_whole_text_so_far_gives(loaded: LoadedModel) -> None:
    config = SamplingConfig(max_new_tokens=6, temperature=0)
    conversation = Conversation(loaded, config)
    for typed in ([1, 2], [], [3]):
        conversation.add(typed)
        so_far = list(conversation.ids)
        text = "".join(conversation.go_on())
        assert text == "".join(TextGenerator(loaded, so_far, config).pieces())
        assert conversation.ids == so_far + loaded.tokenizer.encode(text).tolist()


def test_every_turn_draws_with_its_own_seed(loaded: LoadedModel) -> None:
    turns = []
    for _ in range(2):
        conversation = Conversation(loaded, SamplingConfig(max_new_tokens=30, seed=5))
        conversation.add([1])
        turns.append(["".join(conversation.go_on()) for _ in range(2)])
    assert turns[0] == turns[1]
    assert turns[0][0] != turns[0][1]


def test_what_came_before_a_stop_is_kept(loaded: LoadedModel) -> None:
    conversation = Conversation(loaded, SamplingConfig(max_new_tokens=30))
    conversation.add([1])
    pieces = conversation.go_on()
    shown = next(pieces) + next(pieces)
    pieces.close()
    assert loaded.tokenizer.decode(conversation.ids) == "b" + shown


def test_stop_strings_and_ends_of_text_are_not_kept(loaded: LoadedModel) -> None:
    config = SamplingConfig(max_new_tokens=200, stop=("a", "b", "c"))
    conversation = Conversation(loaded, config)
    conversation.add([5])
    text = "".join(conversation.go_on())
    assert loaded.tokenizer.decode(conversation.ids) == "f" + text
    assert not set(text) & set("abc")
