"""Llama 3 (Grattafiori et al. 2024, arXiv:2407.21783) and models of the same architecture.

Qwen3 and nanochat are derived from it and use parts of this file.
"""

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from gptcli.config.model import ModelConfig
from gptcli.config.rope import RopeScaling
from gptcli.errors import UsageError
from gptcli.families.family import ConfigFields, Family, FieldConverter, TensorNames

SWITCHES = MappingProxyType(
    {
        "positions": "rotary",
        "norm": "rms",
        "activation": "silu",
        "gated": True,
        "bias": False,
        "qkv_bias": False,
        "tied": False,
    }
)
ROTARY_CHOICES = ("n_kv_head", "n_inner", "rope_theta", "rope_scaling", "norm_epsilon", "tied")

_ORIGINAL = "original_max_position_embeddings"
# Hugging Face's names of RopeScaling's fields.
_SCALING = MappingProxyType(
    {
        "factor": "factor",
        "low_freq_factor": "low_freq_factor",
        "high_freq_factor": "high_freq_factor",
        _ORIGINAL: "original_context",
    }
)
_ROPE_FIELDS = ("rope_scaling", "rope_parameters")  # of transformers 4 and 5


def _write_rope(config: ModelConfig) -> dict[str, Any]:
    """The fields of rotary positions, in the form that transformers 4 and 5 both read."""
    if config.rope_scaling is None:
        return {"rope_theta": config.rope_theta, "rope_scaling": None}
    values = asdict(config.rope_scaling)
    scaling = {theirs: values[ours] for theirs, ours in _SCALING.items()}
    return {"rope_theta": config.rope_theta, "rope_scaling": {"rope_type": "llama3", **scaling}}


def _read_rope(raw: Mapping[str, Any]) -> dict[str, Any]:
    """ModelConfig's fields of rotary positions, from the form of transformers 4 or 5.

    Where a file has both, rope_scaling replaces rope_parameters, as in transformers. Raises
    UsageError for kinds of scaling that the model does not support.
    """
    name = next((one for one in _ROPE_FIELDS if raw.get(one)), _ROPE_FIELDS[0])
    scaling = raw.get(name) or {}
    if not isinstance(scaling, dict):
        raise UsageError(f"{name} must be an object, not {scaling!r:.40}")
    for key, value in scaling.items():
        if isinstance(value, dict):
            raise UsageError(f"{name} of {key:.40} is not supported, only one for all layers")
    given = {**raw, **scaling}
    if given.get("partial_rotary_factor", 1) != 1:
        raise UsageError("partial_rotary_factor is not supported, only 1")
    theta = given["rope_theta"]
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return {"rope_theta": theta}
    if kind != "llama3":
        raise UsageError(f"rope_type {kind!r:.40} is not supported, only default and llama3")
    complete = {_ORIGINAL: raw["max_position_embeddings"], **scaling}
    values = {ours: complete[theirs] for theirs, ours in _SCALING.items() if theirs in complete}
    return {"rope_theta": theta, "rope_scaling": RopeScaling.from_fields(values)}


CONFIG_FIELDS = ConfigFields(
    architecture="LlamaForCausalLM",
    names=MappingProxyType(
        {
            "vocab_size": "vocab_size",
            "max_position_embeddings": "block_size",
            "hidden_size": "n_embd",
            "num_hidden_layers": "n_layer",
            "num_attention_heads": "n_head",
            "num_key_value_heads": "n_kv_head",
            "head_dim": "head_dim",
            "intermediate_size": "n_inner",
            "attention_dropout": "dropout",
            "rms_norm_eps": "norm_epsilon",
            "tie_word_embeddings": "tied",
        }
    ),
    defaults=MappingProxyType(
        {
            "vocab_size": 32000,
            "max_position_embeddings": 2048,
            "hidden_size": 4096,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "intermediate_size": 11008,
            "rope_theta": 10_000.0,
            "num_key_value_heads": None,
            "head_dim": None,
            "attention_dropout": 0.0,
            "rms_norm_eps": 1e-6,
            "tie_word_embeddings": False,
        }
    ),
    fixed=MappingProxyType({"hidden_act": "silu", "attention_bias": False, "mlp_bias": False}),
    converter=FieldConverter(("rope_theta", "rope_scaling"), _write_rope, _read_rope),
    scorer="LlamaForSequenceClassification",
)

TENSORS = TensorNames(
    replacements=(
        ("token_embedding.", "model.embed_tokens."),
        ("final_norm.", "model.norm."),
        ("blocks.", "model.layers."),
        (".attention_norm.", ".input_layernorm."),
        (".attention.query_norm.", ".self_attn.q_norm."),
        (".attention.key_norm.", ".self_attn.k_norm."),
        (".attention.query.", ".self_attn.q_proj."),
        (".attention.key.", ".self_attn.k_proj."),
        (".attention.value.", ".self_attn.v_proj."),
        (".attention.output.", ".self_attn.o_proj."),
        (".mlp_norm.", ".post_attention_layernorm."),
        (".mlp.gate.", ".mlp.gate_proj."),
        (".mlp.up.", ".mlp.up_proj."),
        (".mlp.down.", ".mlp.down_proj."),
    ),
    splits_attention=True,
    optional_prefix="model.",  # missing where transformers saved the model without its head
    ignored=(".rotary_emb.inv_freq",),  # frequencies that older releases stored
)

FAMILY = Family(
    name="llama",
    rank=2,
    switches=SWITCHES,
    free=(*ROTARY_CHOICES, "head_dim"),
    config_fields=CONFIG_FIELDS,
    tensors=TENSORS,
)
