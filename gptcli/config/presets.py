"""The models that have a name."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gptcli.config.model import ModelConfig
from gptcli.errors import UsageError

GPT2_VOCAB = 50257


@dataclass(frozen=True)
class Preset:
    """A named model, a line on what it is, and the training values it insists on."""

    model: ModelConfig
    about: str
    training: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


def _gpt(n_layer: int, n_head: int, n_embd: int, block_size: int) -> ModelConfig:
    return ModelConfig(
        n_layer=n_layer,
        n_head=n_head,
        n_embd=n_embd,
        block_size=block_size,
        vocab_size=GPT2_VOCAB,
    )


# The lecture's finished script: constant rate, AdamW as torch has it, random offsets.
_LECTURE_TRAINING = MappingProxyType(
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

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "lecture": Preset(
            ModelConfig(
                n_layer=6,
                n_head=6,
                n_embd=384,
                block_size=256,
                vocab_size=65,
                dropout=0.2,
                activation="relu",
                qkv_bias=False,
                lm_head_bias=True,
                tied=False,
            ),
            "Karpathy's lecture, scaled up (Tiny Shakespeare, characters)",
            _LECTURE_TRAINING,
        ),
        "gpt2": Preset(_gpt(12, 12, 768, 1024), "GPT-2, 124M"),
        "gpt2-medium": Preset(_gpt(24, 16, 1024, 1024), "GPT-2, 355M"),
        "gpt2-large": Preset(_gpt(36, 20, 1280, 1024), "GPT-2, 774M"),
        "gpt2-xl": Preset(_gpt(48, 25, 1600, 1024), "GPT-2, 1.56B"),
        "gpt3-small": Preset(_gpt(12, 12, 768, 2048), "GPT-3 paper, table 2.1"),
        "gpt3-medium": Preset(_gpt(24, 16, 1024, 2048), "GPT-3 paper, table 2.1"),
        "gpt3-large": Preset(_gpt(24, 16, 1536, 2048), "GPT-3 paper, table 2.1"),
        "gpt3-xl": Preset(
            _gpt(24, 16, 2048, 2048),
            "GPT-3 paper, table 2.1 (prints 24 heads of 128, which is not 2,048: 16 here)",
        ),
        "gpt3-2.7b": Preset(_gpt(32, 32, 2560, 2048), "GPT-3 paper, table 2.1"),
        "gpt3-6.7b": Preset(_gpt(32, 32, 4096, 2048), "GPT-3 paper, table 2.1"),
        "gpt3-13b": Preset(
            _gpt(40, 40, 5120, 2048),
            "GPT-3 paper, table 2.1 (prints 5,140 wide, which is not 40 heads of 128: 5,120 here)",
        ),
        "gpt3": Preset(_gpt(96, 96, 12288, 2048), "GPT-3, 175B"),
    }
)


def find_preset(name: str) -> Preset:
    """The preset of that name; an unknown one is a UsageError with the nearest names."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name.lower(), PRESETS, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(PRESETS)}"
    raise UsageError(f"--preset {name} is unknown: {hint}")
