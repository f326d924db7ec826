"""Qwen3 (Yang et al. 2025, arXiv:2505.09388): a Llama with normalised queries and keys."""

from dataclasses import replace
from types import MappingProxyType

from gptcli.families import llama
from gptcli.families.family import Family

_SWITCHES = MappingProxyType({**llama.SWITCHES, "qk_norm": True, "norm_epsilon": 1e-6})


_CONFIG_FIELDS = replace(
    llama.CONFIG_FIELDS,
    architecture="Qwen3ForCausalLM",
    scorer="Qwen3ForSequenceClassification",
    defaults=MappingProxyType(
        {
            **llama.CONFIG_FIELDS.defaults,
            "vocab_size": 151936,
            "max_position_embeddings": 32768,
            "intermediate_size": 22016,
            "num_key_value_heads": 32,
            "head_dim": 128,
        }
    ),
    fixed=MappingProxyType(
        {"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False}
    ),
)

FAMILY = Family(
    name="qwen3",
    rank=3,
    switches=_SWITCHES,
    free=(*llama.ROTARY_CHOICES, "head_dim"),
    config_fields=_CONFIG_FIELDS,
    tensors=llama.TENSORS,
)
