"""The models of Karpathy's lecture "Let's build GPT", from the bigram up, and their training.

They form a ladder: each model has one part more than the one before. Below they are derived
from the last to the first, by leaving parts out.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gptcli.config.model import ModelConfig
from gptcli.families import gpt2
from gptcli.families.family import Family, Preset

_VOCABULARY = 65  # characters of Tiny Shakespeare; a run has its dataset's vocabulary

_SWITCHES = MappingProxyType(
    {"activation": "relu", "qkv_bias": False, "lm_head_bias": True, "tied": False}
)

# The lecture's scripts: constant rate, AdamW as torch has it, random offsets.
_TRAINING: Mapping[str, object] = MappingProxyType(
    {
        "batch_size": 64,
        "max_iters": 5000,
        "lr": 3e-4,
        "min_lr": 3e-4,
        "warmup_iters": 0,
        "eval_interval": 500,
        "weight_decay": 0.01,
        "beta1": 0.9,
        "beta2": 0.999,
        "grad_clip": 0.0,
        "order": "random",
    }
)
_SMALL_TRAINING = MappingProxyType({**_TRAINING, "batch_size": 32, "lr": 1e-3, "min_lr": 1e-3})
# As in the lecture's bigram.py; models with attention diverge at this rate.
_BIGRAM_TRAINING = MappingProxyType(
    {**_SMALL_TRAINING, "max_iters": 3000, "lr": 1e-2, "min_lr": 1e-2}
)

_LECTURE = ModelConfig.from_fields(
    {
        "n_layer": 6,
        "n_head": 6,
        "n_embd": 384,
        "block_size": 256,
        "vocab_size": _VOCABULARY,
        "dropout": 0.2,
        **_SWITCHES,
    }
)
_LAYERNORM = replace(_LECTURE, n_layer=3, n_head=4, n_embd=32, block_size=8, dropout=0.0)
_RESIDUAL = replace(_LAYERNORM, norm="none")
_FEEDFORWARD = replace(_RESIDUAL, n_layer=1, residual=False, projections=False, n_inner=32)
_MULTIHEAD = replace(_FEEDFORWARD, n_inner=0)
_HEAD = replace(_MULTIHEAD, n_head=1)
_BIGRAM = replace(
    _RESIDUAL,
    n_layer=0,
    n_head=1,
    n_embd=_VOCABULARY,
    positions="none",
    lm_head=False,
    lm_head_bias=False,
)

_PRESETS = {
    "lecture-bigram": Preset(
        _BIGRAM, "the lecture's first: a table whose rows are the logits", _BIGRAM_TRAINING
    ),
    "lecture-head": Preset(_HEAD, "positions and one head of self-attention", _SMALL_TRAINING),
    "lecture-multihead": Preset(_MULTIHEAD, "four heads of 8", _SMALL_TRAINING),
    "lecture-feedforward": Preset(
        _FEEDFORWARD, "a linear layer and ReLU after attention", _SMALL_TRAINING
    ),
    "lecture-residual": Preset(
        _RESIDUAL, "three blocks with skip connections and projections", _SMALL_TRAINING
    ),
    "lecture-layernorm": Preset(
        _LAYERNORM, "norms before every part and at the end", _SMALL_TRAINING
    ),
    "lecture": Preset(
        _LECTURE, "Karpathy's lecture, scaled up (Tiny Shakespeare, characters)", _TRAINING
    ),
}

# GPT-2's names; other fields are in a section of ours, since transformers has no such model.
CONFIG_FIELDS = replace(
    gpt2.CONFIG_FIELDS,
    architecture=None,
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
    presets=MappingProxyType(_PRESETS),
)  # fmt: skip
