"""The configuration of training in one frozen object, which train.json stores."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from gptcli.config.checks import (
    check_choice,
    check_fraction,
    check_not_negative,
    check_positive,
    check_switch,
    check_whole,
)
from gptcli.errors import UsageError

Order = Literal["shuffled", "random"]
Precision = Literal["float32", "bfloat16"]
OptimizerName = Literal["adamw", "muon"]
Schedule = Literal["cosine", "linear", "wsd", "constant"]
ORDERS: tuple[str, ...] = get_args(Order)
DEVICES = ("auto", "cuda", "mps", "cpu")
PRECISIONS: tuple[str, ...] = get_args(Precision)
OPTIMIZER_NAMES: tuple[str, ...] = get_args(OptimizerName)
SCHEDULES: tuple[str, ...] = get_args(Schedule)

# The flags of learning rates, and the group of parameters that each is for; --lr is for the
# matrices of blocks, and for every group that has no rate of its own.
RATES: Mapping[str, str] = MappingProxyType(
    {"embedding_lr": "embedding", "head_lr": "head", "vector_lr": "vector"}
)


def check_device(name: str) -> None:
    """Raise UsageError unless ``name`` is one of DEVICES, or cuda with the number of a GPU."""
    kind = name.partition(":")[0]
    check_choice("device", kind if kind == "cuda" else name, DEVICES)
    if ":" in name and not name.partition(":")[2].isdigit():
        raise UsageError(f"--device {name} names no GPU: write cuda:0 for the first one")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the numbers of a run; all values are resolved, none is "auto".

    ``batch_size`` counts rows of ``block_size`` tokens per micro-batch; one iteration takes
    ``grad_accum`` of them. ``min_lr`` equal to ``lr`` keeps the rate constant after the
    warm-up. ``grad_clip`` 0 turns clipping off. ``eval_batches`` None evaluates the whole
    split. ``order`` "shuffled" visits every token once an epoch, "random" draws offsets
    as the lecture does. ``threads`` 0 leaves the number to torch (only on a GPU).

    ``lr`` is the rate of the matrices, and of every group that has none of its own; all follow
    the schedule. ``decay_fraction`` is for "wsd", ``momentum`` for Muon, the betas for AdamW.
    ``patience`` N ends the run after N evaluations without a better one. ``keep`` is the number
    of intact saves that stay, to go on from or to fall back to. ``compile`` compiles
    the blocks, which changes sums in their last digits. A ``deterministic`` run, of one thread a
    process, ends with the same weights for any number of processes. ``ngram_teacher`` is the
    share of every target that counted n-grams take at first; it falls as the schedule does.
    """

    batch_size: int
    max_iters: int
    lr: float
    min_lr: float
    warmup_iters: int
    eval_interval: int
    device: str
    precision: Precision
    threads: int = 0
    grad_accum: int = 1
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.99
    grad_clip: float = 1.0
    eval_batches: int | None = None
    order: Order = "shuffled"
    seed: int = 1337
    optimizer: OptimizerName = "adamw"
    schedule: Schedule = "cosine"
    decay_fraction: float = 0.6
    momentum: float = 0.95
    embedding_lr: float | None = None
    head_lr: float | None = None
    vector_lr: float | None = None
    patience: int | None = None
    compile: bool = False
    deterministic: bool = False
    ngram_teacher: float = 0.0
    keep: int = 2

    def __post_init__(self) -> None:
        for name in ("batch_size", "eval_interval", "keep"):
            check_whole(name, getattr(self, name), 1)
        check_whole("grad_accum", self.grad_accum, 1, 10**6)
        check_whole("max_iters", self.max_iters, 0)
        check_whole("warmup_iters", self.warmup_iters, 0)
        check_whole("threads", self.threads, 0, 4096)
        check_whole("seed", self.seed, 0, 2**63)
        for name in ("eval_batches", "patience"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1)
        for name in ("compile", "deterministic"):
            check_switch(name, getattr(self, name))
        if not isinstance(self.device, str):
            raise UsageError(f"--device {self.device!r:.40} is not the name of a device")
        check_positive("lr", self.lr)
        for name in ("min_lr", "weight_decay", "grad_clip"):
            check_not_negative(name, getattr(self, name))
        for name in RATES:
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        for name in ("beta1", "beta2", "momentum"):
            check_fraction(name, getattr(self, name), 0.9)
        check_fraction("ngram_teacher", self.ngram_teacher, 0.6)
        check_choice("order", self.order, ORDERS)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("optimizer", self.optimizer, OPTIMIZER_NAMES)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_positive("decay_fraction", self.decay_fraction)
        if self.decay_fraction > 1:
            raise UsageError(
                f"--decay-fraction {self.decay_fraction:g} is above 1: try --decay-fraction 0.6"
            )
        if self.min_lr > self.lr:
            raise UsageError(
                f"--min-lr {self.min_lr:g} is above --lr {self.lr:g}: try --min-lr {self.lr / 10:g}"
            )

    def rate_of(self, group: str) -> float:
        """The full learning rate of a group of parameters; see families/shapes.py."""
        name = next((name for name, one in RATES.items() if one == group), "lr")
        rate: float | None = getattr(self, name)
        return rate or self.lr

    @property
    def evaluation_precision(self) -> Precision:
        """That of the run's own evaluations: the run's on CUDA, where float32 takes far longer."""
        return self.precision if self.device.startswith("cuda") else "float32"

    @property
    def rows_per_iter(self) -> int:
        """The number of rows of block_size tokens in one optimizer step."""
        return self.batch_size * self.grad_accum
