"""The models of Karpathy's lecture "Let's build GPT", from the bigram up.

They form a ladder: each model has one part more than the one before. The presets lecture-bigram
to lecture are its rungs.
"""

from dataclasses import replace
from types import MappingProxyType

from gptcli.families import gpt2
from gptcli.families.family import Family

_SWITCHES = MappingProxyType(
    {"activation": "relu", "qkv_bias": False, "lm_head_bias": True, "tied": False}
)

# GPT-2's names; other fields are in a section of ours, since transformers has no such model.
CONFIG_FIELDS = replace(
    gpt2.CONFIG_FIELDS,
    architecture=None,
    scorer=None,
    defaults=MappingProxyType({}),
    fixed=MappingProxyType({}),
)

FAMILY = Family(
    name="gptcli-lecture",
    rank=5,
    switches=_SWITCHES,
    free=(
        "n_inner", "positions", "norm", "activation", "bias", "lm_head_bias", "tied",
        "residual", "projections", "lm_head",
    ),
    config_fields=CONFIG_FIELDS,
)  # fmt: skip
