"""A model directory: whole in both directions, and transformers reads it."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    pipeline,
)

from gptcli.checkpoint.config_json import read_model_config
from gptcli.checkpoint.layout import file_layout
from gptcli.checkpoint.tensors import load_weights
from gptcli.errors import CheckpointError, UsageError
from gptcli.families.registry import TRAINABLE
from gptcli.generation.loaded_model import load_model
from gptcli.model.gpt import GPT
from gptcli.tokenization.trainer import character_tokenizer

SWITCHES = [
    {"tied": False},
    {"bias": False},
    {"qkv_bias": False, "activation": "relu"},
]
CHARACTERS = "\n !abcdefghijklmnopqrstuvwxyz"
IDS = torch.arange(24).view(2, 12)


def check_same(directory: Path, model: GPT) -> None:
    loaded = load_model(directory, "cpu").model
    ours, theirs = model.state_dict(), loaded.state_dict()
    assert loaded.config == model.config
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    if model.config.tied:
        assert loaded.lm_head.weight is loaded.token_embedding.weight


def check_transformers(directory: Path, model: GPT) -> None:
    theirs, report = AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(IDS).logits, model(IDS), rtol=1e-5, atol=1e-5)


def test_what_is_saved_loads_to_the_last_bit(
    make_member, tokenizer, save, tmp_path, family
) -> None:
    model = make_member(family)
    directory = save(model, tokenizer, tmp_path / "m")
    check_same(directory, model)
    assert load_model(directory, "cpu").tokenizer.identity == tokenizer.identity
    assert load_model(directory, "cpu").notes == ()


@pytest.mark.parametrize("switches", SWITCHES)
def test_switches_of_gpt2_survive_and_transformers_follows_them(
    make_model, tokenizer, save, tmp_path, switches
) -> None:
    model = make_model(**switches, dropout=0.1)
    directory = save(model, tokenizer, tmp_path / "m")
    check_same(directory, model)
    check_transformers(directory, model)


@pytest.mark.parametrize("family", TRAINABLE)
def test_a_directory_is_one_of_transformers(make_member, tokenizer, save, tmp_path, family) -> None:
    model = make_member(family)
    directory = save(model, tokenizer, tmp_path / "m")
    check_transformers(directory, model)
    theirs = AutoTokenizer.from_pretrained(directory)
    text = "hello world!\n"
    assert theirs(text)["input_ids"] == tokenizer.encode(text).tolist()
    assert theirs.decode(theirs(text)["input_ids"]) == text
    assert GenerationConfig.from_pretrained(directory).eos_token_id is None
    generator = pipeline("text-generation", model=str(directory))
    written = generator("hello ", max_new_tokens=4)[0]["generated_text"]
    assert len(written) == len("hello ") + 4


@pytest.mark.parametrize("family", TRAINABLE)
def test_transformers_is_told_which_token_ends_a_text(make_member, save, tmp_path, family) -> None:
    letters = "abcdefghijklmnopqrstuvw"
    tokenizer = character_tokenizer(letters, special_tokens=["<|pad|>", "<|endoftext|>"])
    directory = save(make_member(family), tokenizer, tmp_path / "m")
    end = tokenizer.end_of_text
    assert end == 24
    assert AutoTokenizer.from_pretrained(directory).eos_token_id == end
    assert AutoTokenizer.from_pretrained(directory).eos_token == "<|endoftext|>"
    assert AutoConfig.from_pretrained(directory).eos_token_id == end
    assert GenerationConfig.from_pretrained(directory).eos_token_id == end
    assert load_model(directory, "cpu").notes == ()


@pytest.mark.parametrize("family", TRAINABLE)
@pytest.mark.parametrize("tied", [True, False])
def test_a_directory_that_transformers_wrote_loads(
    make_member, tokenizer, save, tmp_path, family, tied
) -> None:
    directory = save(make_member(family, tied=tied), tokenizer, tmp_path / "m")
    torch.manual_seed(3)
    theirs = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(directory)).eval()
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="2KB")
    (tmp_path / "theirs/tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    assert (tmp_path / "theirs/model.safetensors.index.json").is_file()
    model = load_model(tmp_path / "theirs", "cpu").model
    with torch.no_grad():
        torch.testing.assert_close(model(IDS), theirs(IDS).logits, rtol=1e-5, atol=1e-5)


def test_the_names_of_gpt2s_first_release_load(
    make_model, tokenizer, save, rewrite, tmp_path
) -> None:
    model = make_model()
    directory = save(model, tokenizer, tmp_path / "m")

    def as_released(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            tensors[name.removeprefix("transformer.")] = tensors.pop(name)
        tensors["h.0.attn.bias"] = torch.ones(1, 1, 12, 12)

    rewrite(directory, as_released)
    check_same(directory, model)


@pytest.mark.parametrize("family", TRAINABLE)
def test_names_as_automodel_saves_them_load(make_member, tokenizer, save, tmp_path, family) -> None:
    model = make_member(family, tied=True)
    directory = save(model, tokenizer, tmp_path / "m")
    (directory / "model.safetensors").rename(tmp_path / "whole")
    whole = safetensors.torch.load_file(tmp_path / "whole")
    bare = {
        name.split(".", 1)[1]: tensor for name, tensor in whole.items() if "lm_head" not in name
    }
    safetensors.torch.save_file(bare, directory / "model.safetensors")
    check_same(directory, model)


PREFIXES = {
    "_orig_mod.": r"torch\.compile",
    "module.": "DistributedDataParallel",
    "module._orig_mod.": r"torch\.compile",
    "base_model.model.": "PEFT",
    "student.": "a wrapper",
}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_wrappers_prefix_is_named_and_the_advice_strips_it(
    make_member, tokenizer, save, rewrite, tmp_path, family, prefix
) -> None:
    model = make_member(family)
    directory = save(model, tokenizer, tmp_path / "it's me")

    def wrap(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            tensors[prefix + name] = tensors.pop(name)

    rewrite(directory, wrap)
    said = f"the prefix {re.escape(prefix)} that {PREFIXES[prefix]} adds"
    with pytest.raises(CheckpointError, match=said) as refused:
        load_model(directory, "cpu")
    program = shlex.split(str(refused.value).partition("python -c ")[2])[0]
    subprocess.run([sys.executable, "-c", program], check=True)
    check_same(directory, model)


def test_an_adapter_and_a_model_without_its_head_say_what_to_save(
    make_member, tokenizer, save, rewrite, tmp_path
) -> None:
    directory = save(make_member("llama", tied=False), tokenizer, tmp_path / "m")
    rewrite(directory, lambda tensors: tensors.pop("lm_head.weight"))
    with pytest.raises(CheckpointError, match="save it as AutoModelForCausalLM"):
        load_model(directory, "cpu")
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    rewrite(directory, lambda tensors: tensors.update({name: torch.ones(2)}))
    with pytest.raises(CheckpointError, match=r"merge_and_unload\(\)"):
        load_model(directory, "cpu")


def test_a_tokenizer_larger_than_the_model_loads_without_the_rest(
    make_member, tokenizer, save, tmp_path
) -> None:
    directory = save(make_member("gpt2"), tokenizer, tmp_path / "m")
    larger = character_tokenizer(CHARACTERS, special_tokens=["[PAD]"])
    (directory / "tokenizer.json").write_text(larger.to_json(), encoding="utf-8")
    loaded = load_model(directory, "cpu")
    assert loaded.tokenizer.encode("abc").tolist() == tokenizer.encode("abc").tolist()
    assert loaded.tokenizer.identity == larger.identity
    n = len(CHARACTERS)
    assert f"the tokenizer has ids up to {n}, the model up to {n - 1}" in loaded.notes[0]
    loaded.tokenizer.decode([n - 1])
    with pytest.raises(UsageError):
        loaded.tokenizer.decode([n])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precisions_become_float32(
    make_member, tokenizer, save, rewrite, tmp_path, family, dtype
) -> None:
    model = make_member(family)
    directory = save(model, tokenizer, tmp_path / "m")

    def convert(tensors: dict[str, torch.Tensor]) -> None:
        tensors.update({name: tensor.to(dtype) for name, tensor in tensors.items()})

    rewrite(directory, convert)
    weights = load_weights(directory, read_model_config(directory))
    for name, parameter in model.named_parameters():
        assert torch.equal(weights[name], parameter.detach().to(dtype).float()), name


def test_the_same_weights_give_the_same_bytes(make_model, tokenizer, save, tmp_path) -> None:
    model = make_model()
    one, two = (save(model, tokenizer, tmp_path / name) for name in "ab")
    file = "model.safetensors"
    assert (one / file).read_bytes() == (two / file).read_bytes()
    assert (one / file).stat().st_mode & 0o044, "others may read it, as any file"


EMBEDDINGS = {"gpt2": "transformer.wte.weight", "llama": "model.embed_tokens.weight"}


@pytest.mark.parametrize("family", EMBEDDINGS)
def test_a_tied_weight_may_stand_there_twice_or_under_its_other_name(
    make_member, tokenizer, save, rewrite, tmp_path, family
) -> None:
    model, name = make_member(family, tied=True), EMBEDDINGS[family]
    directory = save(model, tokenizer, tmp_path / "m")
    rewrite(directory, lambda tensors: tensors.update({"lm_head.weight": tensors[name].clone()}))
    check_same(directory, model)
    rewrite(directory, lambda tensors: tensors.pop(name))
    check_same(directory, model)
    rewrite(directory, lambda tensors: tensors.update({name: tensors["lm_head.weight"] + 1}))
    with pytest.raises(CheckpointError, match="stored twice"):
        load_model(directory, "cpu")


def test_a_head_that_is_not_tied_has_to_be_there(
    make_member, tokenizer, save, rewrite, tmp_path
) -> None:
    directory = save(make_member("llama", tied=False), tokenizer, tmp_path / "m")
    rewrite(directory, lambda tensors: tensors.pop("lm_head.weight"))
    with pytest.raises(CheckpointError, match=r"lacks tensor lm_head\.weight"):
        load_model(directory, "cpu")


def test_every_tensor_that_is_missing_misshapen_or_no_number_is_named(
    make_member, tokenizer, save, rewrite, tmp_path, family
) -> None:
    model = make_member(family)
    directory = save(model, tokenizer, tmp_path / "m")
    file = directory / "model.safetensors"
    whole = file.read_bytes()
    damages = {
        "missing": lambda tensors, name: tensors.pop(name),
        "wider": lambda tensors, name: tensors.update({name: torch.ones(3, 5)}),
        "whole": lambda tensors, name: tensors.update({name: tensors[name].to(torch.int32)}),
        "another": lambda tensors, name: tensors.update({f"{name}.x": torch.ones(2)}),
    }
    for name in [entry.name for entry in file_layout(model.config)][::3]:
        for damage in damages.values():
            rewrite(directory, lambda tensors, name=name, damage=damage: damage(tensors, name))
            with pytest.raises(CheckpointError) as refused:
                load_weights(directory, model.config)
            assert name in str(refused.value)
            assert "\n" not in str(refused.value)
            file.write_bytes(whole)


@pytest.mark.parametrize(
    "change", [{"num_key_value_heads": 2}, {"vocab_size": 30}, {"head_dim": 8}]
)
def test_a_config_that_contradicts_its_weights_is_refused(
    make_member, tokenizer, save, tmp_path, change
) -> None:
    directory = save(make_member("llama"), tokenizer, tmp_path / "m")
    file = directory / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(CheckpointError, match=r"tensor \S+ is \[\d+.*config.json asks for"):
        load_model(directory, "cpu")


def test_biases_that_config_json_denies_are_refused(
    make_model, tokenizer, save, rewrite, tmp_path
) -> None:
    directory = save(make_model(bias=False), tokenizer, tmp_path / "m")
    name = "transformer.h.0.mlp.c_fc.bias"
    rewrite(directory, lambda tensors: tensors[name].fill_(1.0))
    with pytest.raises(CheckpointError, match="c_fc"):
        load_weights(directory, read_model_config(directory))


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
def test_special_ids_beyond_the_vocabulary_are_ignored_with_a_note(
    make_member, tokenizer, save, tmp_path, file
) -> None:
    model = make_member("llama")
    directory = save(model, tokenizer, tmp_path / "m")
    path = directory / file
    raw = json.loads(path.read_text()) | {"eos_token_id": [1, 50256], "bos_token_id": 50257}
    path.write_text(json.dumps(raw))
    check_same(directory, model)
    loaded = load_model(directory, "cpu")
    notes = loaded.notes
    assert 1 in loaded.end_ids and 50256 not in loaded.end_ids
    assert len(notes) == 2
    assert all(word in "".join(notes) for word in ("bos_token_id 50257", "eos_token_id 50256"))


def test_only_the_configured_end_ends_a_text(make_member, save, tmp_path) -> None:
    model = make_member("llama")
    letters = map(chr, range(97, 97 + model.config.vocab_size - 2))
    tokenizer = character_tokenizer(letters, special_tokens=["</s>", "<fin>"])
    directory = save(model, tokenizer, tmp_path / "m")
    usual, configured = tokenizer.special_tokens["</s>"], tokenizer.special_tokens["<fin>"]
    assert load_model(directory, "cpu").end_ids == {usual}
    for file in ("config.json", "generation_config.json"):
        raw = json.loads((directory / file).read_text()) | {"eos_token_id": configured}
        (directory / file).write_text(json.dumps(raw))
    settings = json.loads((directory / "tokenizer_config.json").read_text())
    changed = json.dumps(settings | {"eos_token": "<fin>"})
    (directory / "tokenizer_config.json").write_text(changed)
    assert load_model(directory, "cpu").end_ids == {configured}


def test_pickles_are_never_opened(make_model, tokenizer, save, tmp_path) -> None:
    directory = save(make_model(), tokenizer, tmp_path / "m")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickle"):
        load_weights(directory, read_model_config(directory))


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "a/b.safetensors"])
def test_an_index_cannot_point_outside(make_model, tokenizer, save, tmp_path, name) -> None:
    directory = save(make_model(), tokenizer, tmp_path / "m")
    (directory / "model.safetensors").unlink()
    index = directory / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": name}}))
    with pytest.raises(CheckpointError, match="beside"):
        load_weights(directory, read_model_config(directory))
