"""A model directory: whole in both directions, and transformers reads it."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, pipeline

from gptcli.checkpoint.config_json import read_model_config
from gptcli.checkpoint.files import write_description
from gptcli.checkpoint.tensors import load_weights, save_weights
from gptcli.config.model import ModelConfig
from gptcli.data.tokenization.tokenizer import Tokenizer
from gptcli.errors import CheckpointError, UsageError
from gptcli.inference.loading import load_model
from gptcli.model.gpt import GPT

SWITCHES = [
    {},
    {"tied": False},
    {"bias": False},
    {"qkv_bias": False, "activation": "relu"},
    {"lm_head_bias": True, "tied": False, "qkv_bias": False, "activation": "relu"},
]


def save(model: GPT, tokenizer: Tokenizer, directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    write_description(directory, model.config, tokenizer)
    weights = dict(model.named_parameters())
    save_weights(directory / "model.safetensors", weights, model.config)
    return directory


@pytest.mark.parametrize("switches", SWITCHES)
def test_what_is_saved_loads_to_the_last_bit(make_model, tokenizer, tmp_path, switches) -> None:
    model = make_model(**switches, dropout=0.1)
    directory = save(model, tokenizer, tmp_path / "m")
    loaded = load_model(directory, "cpu")
    assert loaded.model.config == model.config
    assert loaded.tokenizer.identity == tokenizer.identity
    ours, theirs = model.state_dict(), loaded.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    if model.config.tied:
        assert loaded.model.lm_head.weight is loaded.model.token_embedding.weight


@pytest.mark.parametrize("switches", SWITCHES[:4])
def test_transformers_computes_the_same_logits(make_model, tokenizer, tmp_path, switches) -> None:
    model = make_model(**switches)
    directory = save(model, tokenizer, tmp_path / "m")
    theirs, report = AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    ids = torch.arange(24).view(2, 12)
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(ids).logits, model(ids), rtol=1e-5, atol=1e-5)


def test_auto_tokenizer_gives_the_same_ids_and_the_pipeline_runs(
    make_model, tokenizer, tmp_path
) -> None:
    directory = save(make_model(), tokenizer, tmp_path / "m")
    theirs = AutoTokenizer.from_pretrained(directory)
    text = "hello world!\n"
    assert theirs(text)["input_ids"] == tokenizer.encode(text).tolist()
    assert theirs.decode(theirs(text)["input_ids"]) == text
    generator = pipeline("text-generation", model=str(directory))
    written = generator("hello ", max_new_tokens=4)[0]["generated_text"]
    assert len(written) == len("hello ") + 4


def test_a_directory_that_transformers_wrote_loads(tokenizer, tmp_path) -> None:
    config = GPT2Config(vocab_size=30, n_positions=12, n_embd=8, n_layer=2, n_head=2)
    theirs = GPT2LMHeadModel(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = load_weights(tmp_path, read_model_config(tmp_path))
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    model = load_model(tmp_path, "cpu").model
    ids = torch.arange(24).view(2, 12)
    assert "lm_head.weight" not in ours
    with torch.no_grad():
        torch.testing.assert_close(model(ids), theirs(ids).logits, rtol=1e-5, atol=1e-5)


def test_shards_and_the_names_of_gpt2s_first_release_load(make_model, tokenizer, tmp_path) -> None:
    model = make_model()
    directory = save(model, tokenizer, tmp_path / "m")
    tensors = safetensors.torch.load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    old = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    old["h.0.attn.bias"] = torch.ones(1, 1, 12, 12)
    weight_map = {}
    for index, name in enumerate(sorted(old)):
        weight_map[name] = f"model-{index % 2}.safetensors"
    for shard in set(weight_map.values()):
        part = {name: old[name] for name in old if weight_map[name] == shard}
        safetensors.torch.save_file(part, directory / shard)
    index_file = directory / "model.safetensors.index.json"
    index_file.write_text(json.dumps({"weight_map": weight_map}))
    loaded = load_model(directory, "cpu").model
    assert all(
        torch.equal(tensor, loaded.state_dict()[name])
        for name, tensor in model.state_dict().items()
    )


def test_half_precision_weights_become_float32(make_model, tokenizer, tmp_path) -> None:
    directory = save(make_model(), tokenizer, tmp_path / "m")
    file = directory / "model.safetensors"
    halves = {name: t.bfloat16() for name, t in safetensors.torch.load_file(file).items()}
    safetensors.torch.save_file(halves, file)
    weights = load_weights(directory, read_model_config(directory))
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


def test_the_same_weights_give_the_same_bytes(make_model, tokenizer, tmp_path) -> None:
    model = make_model()
    one, two = (save(model, tokenizer, tmp_path / name) for name in "ab")
    file = "model.safetensors"
    assert (one / file).read_bytes() == (two / file).read_bytes()
    assert (one / file).stat().st_mode & 0o044, "others may read it, as any file"


def rewrite(directory: Path, change) -> None:
    file = directory / "model.safetensors"
    tensors = safetensors.torch.load_file(file)
    change(tensors)
    safetensors.torch.save_file(tensors, file)


WTE, LN = "transformer.wte.weight", "transformer.ln_f.weight"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda tensors: tensors.pop(LN), LN),
        (lambda tensors: tensors.update(extra=torch.ones(1)), "extra"),
        (lambda tensors: tensors.update({WTE: torch.ones(3, 8)}), WTE),
        (lambda tensors: tensors.update({LN: torch.ones(8, dtype=torch.int32)}), LN),
    ],
)
def test_wrong_tensors_are_named(make_model, tokenizer, tmp_path, change, named) -> None:
    directory = save(make_model(), tokenizer, tmp_path / "m")
    rewrite(directory, change)
    with pytest.raises(CheckpointError, match=named.replace(".", r"\.")):
        load_weights(directory, read_model_config(directory))


def test_biases_that_config_json_denies_are_refused(make_model, tokenizer, tmp_path) -> None:
    directory = save(make_model(bias=False), tokenizer, tmp_path / "m")
    name = "transformer.h.0.mlp.c_fc.bias"
    rewrite(directory, lambda tensors: tensors[name].fill_(1.0))
    with pytest.raises(CheckpointError, match="c_fc"):
        load_weights(directory, read_model_config(directory))


def test_pickles_are_never_opened(make_model, tokenizer, tmp_path) -> None:
    directory = save(make_model(), tokenizer, tmp_path / "m")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickle"):
        load_weights(directory, read_model_config(directory))


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "a/b.safetensors"])
def test_an_index_cannot_point_outside(make_model, tokenizer, tmp_path, name) -> None:
    directory = save(make_model(), tokenizer, tmp_path / "m")
    (directory / "model.safetensors").unlink()
    index = directory / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": name}}))
    with pytest.raises(CheckpointError, match="beside"):
        load_weights(directory, read_model_config(directory))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model_type": "mamba"}, "mamba"),
        ({"n_layer": 10**12}, "n-layer"),
        ({"n_layer": "2"}, "n-layer"),
        ({"n_head": 3}, "n-head"),
        ({"n_embd": None}, "n-embd"),
        ({"n_inner": 7}, "n_inner"),
        ({"activation_function": "swish"}, "swish"),
        ({"scale_attn_weights": False}, "scale_attn_weights"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings"),
        ({"gptcli": []}, "gptcli"),
        ({"resid_pdrop": float("nan")}, "NaN"),
        ({"resid_pdrop": 1.0}, "dropout"),
    ],
)
def test_an_unusable_config_is_refused(make_model, tokenizer, tmp_path, change, word) -> None:
    directory = save(make_model(), tokenizer, tmp_path / "m")
    file = directory / "config.json"
    raw = {**json.loads(file.read_text()), **change}
    if change == {"gptcli": []}:
        raw["gptcli"] = [1]
    file.write_text(json.dumps(raw))
    with pytest.raises(CheckpointError, match=word):
        read_model_config(directory)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 200_000])
def test_a_damaged_config_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError):
        read_model_config(tmp_path)


def test_a_missing_config_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_model_config(tmp_path)


def test_config_json_round_trips_through_transformers(make_model, tokenizer, tmp_path) -> None:
    config = make_model(tied=False, activation="gelu", dropout=0.25).config
    directory = save(make_model(tied=False, activation="gelu", dropout=0.25), tokenizer, tmp_path)
    GPT2Config.from_pretrained(directory).save_pretrained(directory)
    assert read_model_config(directory) == config
    assert isinstance(config, ModelConfig)
