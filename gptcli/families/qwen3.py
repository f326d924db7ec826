"""Qwen3 (Yang et al. 2025, arXiv:2505.09388): a Llama with normalised queries and keys."""

from dataclasses import replace
from types import MappingProxyType

from gptcli.config.model import ModelConfig
from gptcli.families import llama
from gptcli.families.family import Family, Preset

_VOCABULARY = 151936
_HEAD_DIM = 128
_SWITCHES = MappingProxyType({**llama.SWITCHES, "qk_norm": True, "norm_epsilon": 1e-6})


_CONFIG_FIELDS = replace(
    llama.CONFIG_FIELDS,
    architecture="Qwen3ForCausalLM",
    defaults=MappingProxyType(
        {
            **llama.CONFIG_FIELDS.defaults,
            "vocab_size": _VOCABULARY,
            "max_position_embeddings": 32768,
            "intermediate_size": 22016,
            "num_key_value_heads": 32,
            "head_dim": _HEAD_DIM,
        }
    ),
    fixed=MappingProxyType(
        {"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False}
    ),
)


def _qwen3(n_layer: int, n_head: int, n_embd: int, n_inner: int, tied: bool = False) -> ModelConfig:
    return llama.rotary_model(
        _SWITCHES,
        (n_layer, n_head, 8, n_embd, n_inner),
        _VOCABULARY,
        head_dim=_HEAD_DIM,
        block_size=40960,
        rope_theta=1_000_000.0,
        tied=tied,
    )


_PRESETS = {
    "qwen3-0.6b": Preset(_qwen3(28, 16, 1024, 3072, tied=True), "Qwen3, 0.6B"),
    "qwen3-1.7b": Preset(_qwen3(28, 16, 2048, 6144, tied=True), "Qwen3, 1.7B"),
    "qwen3-4b": Preset(_qwen3(36, 32, 2560, 9728, tied=True), "Qwen3, 4.0B"),
    "qwen3-8b": Preset(_qwen3(36, 32, 4096, 12288), "Qwen3, 8.2B"),
    "qwen3-14b": Preset(_qwen3(40, 40, 5120, 17408), "Qwen3, 14.8B"),
}

FAMILY = Family(
    name="qwen3",
    rank=3,
    switches=_SWITCHES,
    free=(*llama.ROTARY_CHOICES, "head_dim"),
    config_fields=_CONFIG_FIELDS,
    tensors=llama.TENSORS,
    presets=MappingProxyType(_PRESETS),
)
