"""nanochat (github.com/karpathy/nanochat), as transformers builds it."""

from dataclasses import replace
from types import MappingProxyType

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
_NAMES = {theirs: ours for theirs, ours in llama.CONFIG_FIELDS.names.items() if ours != "head_dim"}
_CONFIG_FIELDS = replace(
    llama.CONFIG_FIELDS,
    architecture="NanoChatForCausalLM",
    names=MappingProxyType({**_NAMES, "final_logit_softcapping": "logit_cap"}),
    optional=MappingProxyType(
        {**llama.CONFIG_FIELDS.optional, "final_logit_softcapping": _LOGIT_CAP}
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
