"""What train does where the user does not say: every measured constant, and the rule to choose.

On a GPU these are the lecture's values. On a CPU plain ``train`` is a run of ten minutes of a
nanochat model with Muon, the best that was measured; any other family is trained as is usual.

The rule: time and vocabulary choose the size, the text the context and how often it is repeated.
- A context is at most as long as the text; without a size of its own it is then a quarter of it.
- A text is repeated at most ``MOST_EPOCHS`` times where a time is to be kept, since more does not
  lower the loss on text that is held out. A run of a small text then ends before its time.
- The more often it is repeated, the more dropout and weight decay.
- N-grams teach a text of characters (training/ngram_teacher.py).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gptcli.accounting.flops import sequence_flops
from gptcli.config.model import ModelConfig

Values = Mapping[str, Any]

CPU_SECONDS = 600.0  # of plain train
MOST_EPOCHS = 12
_FEWEST_STEPS = 300  # that a time may be cut short to: a text of few tokens takes them, too

BEST_FAMILY, CLASSIC_FAMILY = "nanochat", "gpt2"


@dataclass(frozen=True)
class _Size:
    """The model and batch for at least so many seconds of training and entries of vocabulary."""

    seconds: float
    vocabulary: int
    n_layer: int
    n_head: int
    head_size: int
    block_size: int
    batch_size: int


@dataclass(frozen=True)
class _Regularization:
    """What keeps a model from learning its text by heart, for at least so many epochs."""

    epochs: float
    dropout: float
    weight_decay: float


# Of each the last line that applies.
_SIZES = (_Size(0, 0, n_layer=6, n_head=6, head_size=32, block_size=256, batch_size=16),)
_REGULARIZATIONS = (_Regularization(0, dropout=0.0, weight_decay=0.2),)

_CLASSIC_ON_CPU = {
    "n_layer": 6, "n_head": 6, "head_size": 32, "block_size": 128, "batch_size": 16, "dropout": 0.0,
}  # fmt: skip
_ON_GPU = {
    "n_layer": 6, "n_head": 6, "head_size": 64, "block_size": 256,
    "batch_size": 64, "max_iters": 5000, "dropout": 0.2,
}  # fmt: skip

# The rates of Muon's matrices and of what AdamW updates beside it, as in the best run so far.
WITH_MUON: Values = MappingProxyType(
    {
        "lr": 0.03, "weight_decay": 0.2, "embedding_lr": 4e-3, "head_lr": 4e-3, "vector_lr": 4e-3,
        "beta1": 0.8, "beta2": 0.95, "schedule": "wsd", "warmup_iters": 0,
    }
)  # fmt: skip
NGRAM_TEACHER = 0.7  # where a text can be counted
LEAST_WITH_MUON = 0.02  # of the full rate, at the end of the decay

# What two cores of a current server or laptop sustain in training, in FLOP/s.
_CPU_FLOPS = {"float32": 130e9, "bfloat16": 200e9}
_MOST_STEPS = 10_000  # a second, of a model that multiplies next to nothing


def usual_family(device: str) -> str:
    """The family that is chosen unless a flag asks for what it cannot have."""
    return BEST_FAMILY if device == "cpu" else CLASSIC_FAMILY


def sizes(
    family: str, device: str, seconds: float | None, vocab_size: int, n_tokens: int | None
) -> Values:
    """Sizes of model and batch; ``head_size`` is the width of a head.

    ``seconds`` are those of plain train where they are not known, ``n_tokens`` the length of the
    text where it is.
    """
    values: dict[str, Any] = dict(_ON_GPU)
    if device == "cpu":
        values = dict(_CLASSIC_ON_CPU if family != BEST_FAMILY else _best(seconds, vocab_size))
    if n_tokens is not None and n_tokens <= values["block_size"]:
        values["block_size"] = max(1, n_tokens // 4)
    return values


def _best(seconds: float | None, vocab_size: int) -> Values:
    time = CPU_SECONDS if seconds is None else seconds
    size = [one for one in _SIZES if time >= one.seconds and vocab_size >= one.vocabulary][-1]
    return {
        "n_layer": size.n_layer,
        "n_head": size.n_head,
        "head_size": size.head_size,
        "block_size": size.block_size,
        "batch_size": size.batch_size,
        "dropout": 0.0,
    }


def regularization(epochs: float) -> Values:
    """Dropout and weight decay with Muon for a text that is seen so many times."""
    chosen = [one for one in _REGULARIZATIONS if epochs >= one.epochs][-1]
    return {"dropout": chosen.dropout, "weight_decay": chosen.weight_decay}


def most_iters(tokens_per_iter: int, n_tokens: int) -> int:
    """The number of iterations beyond which a text of ``n_tokens`` teaches nothing more."""
    return max(_FEWEST_STEPS, math.ceil(MOST_EPOCHS * n_tokens / tokens_per_iter))


def affordable_iters(model: ModelConfig, rows: int, precision: str, seconds: float) -> int:
    """The number of iterations that take about this long on two cores, rounded."""
    cost = rows * sequence_flops(model, model.block_size).training_full
    iters = seconds * min(_CPU_FLOPS[precision] / max(1, cost), _MOST_STEPS)
    return max(10, int(round(iters, -2 if iters >= 1000 else -1)))


def usual_rate(model: ModelConfig) -> float:
    """AdamW's learning rate: inversely proportional to the width (Yang et al. 2022).

    The constant is measured: a width of 128 learns best near 4e-3 (Tiny Shakespeare), and
    GPT-2's 768 is commonly trained at 6e-4.
    """
    return float(f"{min(4e-3, 0.5 / model.n_embd):.2g}")
