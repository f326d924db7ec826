"""What config.json calls each of ModelConfig's fields, one table per family.

Values that a file leaves out are transformers' own defaults.
"""

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from gptcli.config.families import CUSTOM
from gptcli.config.model import ModelConfig
from gptcli.config.rope import RopeScaling
from gptcli.errors import UsageError

Table = Mapping[str, Any]

_GPT2: Table = MappingProxyType(
    {
        "vocab_size": "vocab_size",
        "n_positions": "block_size",
        "n_embd": "n_embd",
        "n_layer": "n_layer",
        "n_head": "n_head",
        "n_inner": "n_inner",
        "activation_function": "activation",
        "attn_pdrop": "dropout",
        "resid_pdrop": "dropout",
        "layer_norm_epsilon": "norm_epsilon",
        "tie_word_embeddings": "tied",
    }
)
_LLAMA: Table = MappingProxyType(
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
)
_NANOCHAT = {name: ours for name, ours in _LLAMA.items() if name != "head_dim"}

# Hugging Face's name -> ours.
FIELDS: Mapping[str, Table] = MappingProxyType(
    {
        "gpt2": _GPT2,
        "llama": _LLAMA,
        "qwen3": _LLAMA,
        "nanochat": {**_NANOCHAT, "final_logit_softcapping": "logit_cap"},
        "gptcli-lecture": _GPT2,
        CUSTOM: _GPT2,
    }
)

_GPT2_OPTIONAL: Table = MappingProxyType(
    {
        "n_inner": None,
        "activation_function": "gelu_new",
        "attn_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": True,
    }
)
_ROTARY_OPTIONAL: Table = MappingProxyType(
    {"attention_dropout": 0.0, "rms_norm_eps": 1e-6, "tie_word_embeddings": False}
)
# What stands for a field that a file leaves out; it must have the others.
OPTIONAL: Mapping[str, Table] = MappingProxyType(
    {
        "gpt2": _GPT2_OPTIONAL,
        "llama": {**_ROTARY_OPTIONAL, "num_key_value_heads": None, "head_dim": None},
        "qwen3": {**_ROTARY_OPTIONAL, "head_dim": 128},
        "nanochat": {
            **_ROTARY_OPTIONAL,
            "num_key_value_heads": None,
            "final_logit_softcapping": 15.0,
        },
        "gptcli-lecture": _GPT2_OPTIONAL,
        CUSTOM: _GPT2_OPTIONAL,
    }
)

# What transformers can be told and our model does not do, with the value it has here.
FIXED: Mapping[str, Table] = MappingProxyType(
    {
        "gpt2": {
            "scale_attn_weights": True,
            "scale_attn_by_inverse_layer_idx": False,
            "reorder_and_upcast_attn": False,
            "add_cross_attention": False,
        },
        "llama": {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False},
        "qwen3": {"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False},
        "nanochat": {"hidden_act": "relu2", "attention_bias": False},
    }
)

ARCHITECTURES: Table = MappingProxyType(
    {
        "gpt2": "GPT2LMHeadModel",
        "llama": "LlamaForCausalLM",
        "qwen3": "Qwen3ForCausalLM",
        "nanochat": "NanoChatForCausalLM",
    }
)
# Ours -> Hugging Face's.
ACTIVATIONS: Table = MappingProxyType(
    {
        "gelu_tanh": "gelu_new",
        "gelu": "gelu",
        "relu": "relu",
        "relu_squared": "relu2",
        "silu": "silu",
    }
)

_SCALING = MappingProxyType(
    {
        "factor": "factor",
        "low_freq_factor": "low_freq_factor",
        "high_freq_factor": "high_freq_factor",
        "original_max_position_embeddings": "original_context",
    }
)
_USUAL_THETA = 10_000.0


def write_rope(config: ModelConfig) -> dict[str, Any]:
    """The fields of rotary positions, in the form that transformers 4 and 5 both read."""
    if config.rope_scaling is None:
        return {"rope_theta": config.rope_theta, "rope_scaling": None}
    values = asdict(config.rope_scaling)
    scaling = {theirs: values[ours] for theirs, ours in _SCALING.items()}
    return {"rope_theta": config.rope_theta, "rope_scaling": {"rope_type": "llama3", **scaling}}


def read_rope(raw: Table) -> dict[str, Any]:
    """ModelConfig's fields of rotary positions, from the form of transformers 4 or 5.

    Raises UsageError for kinds of scaling that the model does not do.
    """
    scaling = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    if not isinstance(scaling, dict):
        raise UsageError(f"rope_scaling must be an object, not {scaling!r:.40}")
    given = {**raw, **scaling}
    if given.get("partial_rotary_factor", 1) != 1:
        raise UsageError("partial_rotary_factor is not supported, only 1")
    theta = given.get("rope_theta", _USUAL_THETA)
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return {"rope_theta": theta}
    if kind != "llama3":
        raise UsageError(f"rope_type {kind!r:.40} is not supported, only default and llama3")
    values = {ours: scaling[theirs] for theirs, ours in _SCALING.items() if theirs in scaling}
    return {"rope_theta": theta, "rope_scaling": RopeScaling.from_fields(values)}
