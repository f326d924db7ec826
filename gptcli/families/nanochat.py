"""nanochat (github.com/karpathy/nanochat), as transformers builds it."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gptcli.families import llama
from gptcli.families.family import Family

_LOGIT_CAP = 15.0
_SWITCHES = MappingProxyType(
    {
        "positions": "rotary",
        "rope_reversed": True,
        "norm": "plain_rms",
        "norm_epsilon": 1e-6,
        "qk_norm": True,
        "embedding_norm": True,
        "activation": "relu_squared",
        "logit_cap": _LOGIT_CAP,
        "bias": False,
        "qkv_bias": False,
        "tied": False,
    }
)


def _without_head_dim(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of Llama's fields for a family that has no field for the width of a head."""
    return {name: value for name, value in table.items() if name != "head_dim"}


_CONFIG_FIELDS = replace(
    llama.CONFIG_FIELDS,
    architecture="NanoChatForCausalLM",
    scorer=None,
    names=MappingProxyType(
        {
            **_without_head_dim(llama.CONFIG_FIELDS.names),
            "final_logit_softcapping": "logit_cap",
        }
    ),
    defaults=MappingProxyType(
        {
            **_without_head_dim(llama.CONFIG_FIELDS.defaults),
            "vocab_size": 50304,
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 6,
            "intermediate_size": 8192,
            "final_logit_softcapping": _LOGIT_CAP,
        }
    ),
    fixed=MappingProxyType({"hidden_act": "relu2", "attention_bias": False}),
)
_MLP = {".mlp.up.": ".mlp.fc1.", ".mlp.down.": ".mlp.fc2."}
_TENSORS = replace(
    llama.TENSORS,
    replacements=tuple(
        (ours, _MLP.get(ours, theirs)) for ours, theirs in llama.TENSORS.replacements
    ),
)

FAMILY = Family(
    name="nanochat",
    rank=4,
    switches=_SWITCHES,
    free=(*llama.ROTARY_CHOICES, "logit_cap"),
    config_fields=_CONFIG_FIELDS,
    tensors=_TENSORS,
)
