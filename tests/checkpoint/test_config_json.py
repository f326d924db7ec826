"""config.json: whole in both directions, as transformers writes it too, and nothing odd gets in."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from transformers import AutoConfig

from gptcli.checkpoint.config_json import model_config_json, omission_notes, read_model_config
from gptcli.config.model import ModelConfig
from gptcli.errors import CheckpointError, UsageError
from gptcli.families.registry import FAMILIES, PRESETS, TRAINABLE, model_type_of

SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 12, "vocab_size": 29}


def read_back(directory: Path, raw: dict) -> ModelConfig:
    (directory / "config.json").write_text(json.dumps(raw), encoding="utf-8")
    return read_model_config(directory)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model_type": "mamba"}, "mamba"),
        ({"n_layer": 10**12}, ": n_layer must"),
        ({"n_layer": "2"}, ": n_layer must"),
        ({"n_head": 3}, ": n_head 3 does not divide n_embd"),
        ({"n_embd": None}, ": n_embd must"),
        ({"n_inner": -7}, ": n_inner must"),
        ({"n_inner": "wide"}, ": n_inner must"),
        ({"activation_function": "swish"}, "swish"),
        ({"scale_attn_weights": False}, "scale_attn_weights"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings"),
        ({"gptcli": [1]}, "gptcli"),
        ({"gptcli": {"biases": True}}, "biases"),
        ({"gptcli": {"bias": 1}}, "bias"),
        ({"gptcli": {"lm_head_bias": True}}, "gptcli-custom"),
        ({"architectures": ["GPT2ForSequenceClassification"]}, "2 labels make it a classifier"),
        ({"layer_norm_epsilon": 0}, ": layer_norm_epsilon must"),
        ({"resid_pdrop": float("nan")}, "NaN"),
        ({"resid_pdrop": 1.0}, ": resid_pdrop must be .* try resid_pdrop 0.1"),
    ],
)
def test_an_unusable_config_is_refused(tmp_path, change, word) -> None:
    with pytest.raises(CheckpointError, match=word) as refused:
        read_back(tmp_path, {**model_config_json(ModelConfig(**SIZES)), **change})
    assert "config.json" in str(refused.value)


@pytest.mark.parametrize(
    ("family", "change", "word"),
    [
        ("llama", {"attention_bias": True}, "attention_bias"),
        ("llama", {"mlp_bias": True}, "mlp_bias"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act"),
        ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "yarn"),
        ("llama", {"rope_scaling": {"rope_type": "llama3", "factor": 4.0}}, "high_freq_factor"),
        ("llama", {"rope_scaling": "llama3"}, "rope_scaling"),
        ("llama", {"rope_parameters": {"full_attention": {}}}, "full_attention"),
        ("llama", {"rope_theta": -1.0}, ": rope_theta must"),
        ("llama", {"rope_theta": "1e4"}, ": rope_theta must"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ("llama", {"num_key_value_heads": 3}, ": num_key_value_heads 3 does not"),
        ("llama", {"head_dim": 7}, ": .*head_dim"),
        ("llama", {"rms_norm_eps": None}, ": rms_norm_eps must be a finite"),
        ("llama", {"rms_norm_eps": 2.5}, ": rms_norm_eps must be below 1, not 2.5"),
        (
            "llama",
            {
                "rope_scaling": {
                    "rope_type": "llama3",
                    "factor": -1,
                    "low_freq_factor": 1,
                    "high_freq_factor": 4,
                }
            },
            r": rope_scaling\.factor must",
        ),
        ("qwen3", {"use_sliding_window": True}, "use_sliding_window"),
        ("qwen3", {"layer_types": ["sliding_attention"] * 2}, "layer_types"),
        ("qwen3", {"layer_types": 5}, "layer_types"),
        ("nanochat", {"final_logit_softcapping": -15}, ": final_logit_softcapping must"),
        ("nanochat", {"gptcli": {"qk_norm": False}}, "gptcli-custom"),
    ],
)
def test_what_the_model_does_not_do_is_refused(tmp_path, family, change, word) -> None:
    config = ModelConfig(**SIZES, **FAMILIES[family].switches)
    with pytest.raises(CheckpointError, match=word):
        read_back(tmp_path, {**model_config_json(config), **change})


def test_an_unknown_family_is_told_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="'mamba'") as refused:
        read_back(tmp_path, {"model_type": "mamba"})
    assert all(name in str(refused.value) for name in FAMILIES)


@pytest.mark.parametrize("family", TRAINABLE)
def test_fields_left_out_have_the_defaults_of_transformers_and_are_named(tmp_path, family) -> None:
    written = model_config_json(read_back(tmp_path, {"model_type": family}))
    theirs = AutoConfig.for_model(family).to_dict()
    theirs |= theirs.get("rope_parameters") or {}
    fields = {*FAMILIES[family].config_fields.names, *FAMILIES[family].config_fields.defaults}
    compared = fields - {"n_inner"}  # which transformers leaves None
    assert {name: written[name] for name in compared} == {name: theirs[name] for name in compared}
    (note,) = omission_notes(tmp_path)
    assert f"vocab_size {theirs['vocab_size']}" in note
    assert ("rope_theta 10000.0" in note) == (family != "gpt2")


@pytest.mark.parametrize("family", TRAINABLE)
def test_a_field_left_out_by_itself_is_named(tmp_path: Path, family: str) -> None:
    whole = model_config_json(ModelConfig(**SIZES, **FAMILIES[family].switches))
    read_back(tmp_path, whole)
    assert omission_notes(tmp_path) == ()
    AutoConfig.for_model(**whole).save_pretrained(tmp_path)
    assert omission_notes(tmp_path) == ()
    context = "n_positions" if family == "gpt2" else "max_position_embeddings"
    default = AutoConfig.for_model(family).max_position_embeddings
    without = {name: value for name, value in whole.items() if name != context}
    assert read_back(tmp_path, without).block_size == default
    assert omission_notes(tmp_path)[0].endswith(f"are used: {context} {default}")


def test_a_model_of_ours_alone_leaves_nothing_out(tmp_path: Path) -> None:
    whole = model_config_json(PRESETS["lecture"].model)
    for name in ("vocab_size", "n_embd", "n_positions", "layer_norm_epsilon"):
        with pytest.raises(CheckpointError, match=name):
            read_back(tmp_path, {key: whole[key] for key in whole if key != name})


LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
ROPES = (
    {"rope_scaling": LLAMA3, "rope_parameters": {"rope_theta": 500.0, "rope_type": "default"}},
    {"rope_scaling": LLAMA3, "rope_parameters": {"rope_theta": 500.0}, "rope_theta": 77.0},
    {"rope_scaling": {"type": "default"}, "rope_parameters": {**LLAMA3, "rope_theta": 500.0}},
    {"rope_scaling": {}, "rope_parameters": {**LLAMA3, "rope_theta": 500.0}, "rope_theta": 77.0},
    {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 5}, "rope_theta": 77.0},
    {"rope_theta": 77.0},
    {},
)


@pytest.mark.parametrize("family", ["llama", "qwen3", "nanochat"])
@pytest.mark.parametrize("rope", ROPES)
def test_rotary_fields_beside_each_other_mean_what_transformers_takes(
    tmp_path, family, rope
) -> None:
    whole = model_config_json(ModelConfig(**SIZES, **FAMILIES[family].switches))
    raw = {name: value for name, value in whole.items() if not name.startswith("rope_")}
    ours = read_back(tmp_path, {**raw, **rope})
    theirs = AutoConfig.from_pretrained(tmp_path).rope_parameters
    scaling = ours.rope_scaling
    assert ours.rope_theta == theirs["rope_theta"]
    assert (scaling is not None) == (theirs["rope_type"] == "llama3")
    if scaling is not None:
        assert scaling.original_context == theirs["original_max_position_embeddings"]
        assert scaling.factor == theirs["factor"]


def test_any_model_reads_back_as_it_was(any_model, tmp_path_factory) -> None:
    directory = tmp_path_factory.mktemp("config")

    @settings(deadline=None, max_examples=100)
    @given(config=any_model)
    def check(config: ModelConfig) -> None:
        assert read_back(directory, model_config_json(config)) == config

    check()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_reads_back_from_what_transformers_writes(tmp_path: Path, preset: str) -> None:
    config = PRESETS[preset].model
    raw = model_config_json(config)
    if model_type_of(config) in TRAINABLE:
        AutoConfig.for_model(**raw).save_pretrained(tmp_path)
        assert read_model_config(tmp_path) == config
    else:
        assert read_back(tmp_path, raw) == config


@pytest.mark.parametrize("family", TRAINABLE)
def test_transformers_own_small_config_means_the_same_to_both(tmp_path, family: str) -> None:
    sizes = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
    sizes |= {} if family == "gpt2" else {"num_key_value_heads": 2}
    theirs = AutoConfig.for_model(family, **sizes)
    theirs.save_pretrained(tmp_path)
    written = model_config_json(read_model_config(tmp_path))
    for name, value in AutoConfig.for_model(**written).to_dict().items():
        ignored = ("dropout", "pdrop", "token_id", "dtype", "architectures", "gptcli", "n_inner")
        if not any(part in name for part in ignored):
            assert value == theirs.to_dict().get(name, value), name


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 200_000])
def test_a_damaged_config_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError):
        read_model_config(tmp_path)


def test_a_missing_config_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_model_config(tmp_path)
