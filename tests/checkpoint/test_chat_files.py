"""What a directory with a chat template says to transformers, and what is read of it again."""

import json

import pytest
import torch
from safetensors.torch import save_file

from gptcli.checkpoint.model_files import end_ids, write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.model import ModelConfig
from gptcli.data.chat.chat_template import BUILT_IN_TEMPLATE, BUILT_IN_TOKENS
from gptcli.model.initialization import new_model
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer

TEXT = "".join(map(chr, range(32, 127)))


def tokenizer_with(*special: str) -> Tokenizer:
    made = character_tokenizer(TEXT, special_tokens=special).extended(BUILT_IN_TOKENS)
    made.chat_template = BUILT_IN_TEMPLATE
    return made


@pytest.fixture
def written(tmp_path):
    def write(tokenizer: Tokenizer, **values):
        config = ModelConfig(1, 2, 16, 8, tokenizer.vocab_size, **values)
        write_description(tmp_path, config, tokenizer)
        weights = {name: one.detach() for name, one in new_model(config, 1).named_parameters()}
        save_weights(tmp_path / "model.safetensors", weights, config)
        save_file({"a": torch.zeros(1)}, tmp_path / "optimizer.safetensors")  # marks it as ours
        return tmp_path

    return write


def said(directory, name):
    return json.loads((directory / name).read_text())


def test_the_end_of_a_turn_is_the_end_token_and_the_end_of_text_is_padding(written):
    tokenizer = tokenizer_with("<|endoftext|>")
    text, turn = (tokenizer.special_tokens[name] for name in ("<|endoftext|>", "<|end|>"))
    directory = written(tokenizer)
    settings = said(directory, "tokenizer_config.json")
    assert (settings["eos_token"], settings["pad_token"]) == ("<|end|>", "<|endoftext|>")
    config = said(directory, "config.json")
    assert (config["eos_token_id"], config["pad_token_id"]) == (turn, text)
    assert said(directory, "generation_config.json")["eos_token_id"] == [turn, text]
    assert end_ids(directory, tokenizer.vocab_size) == {turn, text}

    again = Tokenizer.load(directory)
    assert again.chat_template == BUILT_IN_TEMPLATE
    assert again.end_of_text == text
    assert again.identity == tokenizer.identity


def test_without_an_end_of_text_there_is_no_padding(written):
    tokenizer = tokenizer_with()
    directory = written(tokenizer)
    settings = said(directory, "tokenizer_config.json")
    assert (settings["eos_token"], settings["pad_token"]) == ("<|end|>", None)
    turn = tokenizer.special_tokens["<|end|>"]
    assert said(directory, "generation_config.json")["eos_token_id"] == turn
    assert end_ids(directory, tokenizer.vocab_size) == {turn}


@pytest.mark.parametrize("special", [(), ("<|endoftext|>",)])
def test_a_reward_model_pads_with_what_ends_no_turn(written, special):
    tokenizer = tokenizer_with(*special)
    directory = written(tokenizer, score=True, tied=False)
    config = said(directory, "config.json")
    if special:
        assert config["pad_token_id"] == tokenizer.special_tokens["<|endoftext|>"]
    assert config["pad_token_id"] != config["eos_token_id"]
    end = special[0] if special else "<|end|>"
    assert Tokenizer.load(directory).end_of_text == tokenizer.special_tokens[end]


def test_transformers_loads_it_and_stops_at_the_end_of_a_turn(written):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = tokenizer_with("<|endoftext|>")
    directory = written(tokenizer)
    theirs = AutoTokenizer.from_pretrained(directory)
    assert theirs.eos_token_id == tokenizer.special_tokens["<|end|>"]
    assert theirs.pad_token_id == tokenizer.special_tokens["<|endoftext|>"]
    messages = [{"role": "user", "content": "a<|end|>b"}, {"role": "assistant", "content": "c"}]
    text = theirs.apply_chat_template(messages, tokenize=False)
    assert text == "<|user|>a<|end|>b<|end|><|assistant|>c<|end|>"
    model = AutoModelForCausalLM.from_pretrained(directory)
    assert set(model.generation_config.eos_token_id) == {theirs.eos_token_id, theirs.pad_token_id}
