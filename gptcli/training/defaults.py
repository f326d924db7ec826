"""Default values for what the user of ``train`` did not give, chosen for the device.

On a GPU these are the lecture's values. On a CPU they make a run that ends in about ten
minutes on two cores: the number of iterations follows from the cost of one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from gptcli.accounting.flops import sequence_flops
from gptcli.config.checks import check_choice, check_whole
from gptcli.config.model import LARGEST_SIZES, ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.families.family import Preset
from gptcli.families.registry import FAMILIES, TRAINABLE, check_choices, family_of

USUAL_FAMILY = "gpt2"
MODEL_FLAGS = tuple(f.name for f in fields(ModelConfig) if f.name != "vocab_size")
TRAIN_FLAGS = tuple(f.name for f in fields(TrainConfig))

Values = Mapping[str, Any]

_GPU = {
    "n_layer": 6, "n_head": 6, "head_size": 64, "block_size": 256,
    "batch_size": 64, "max_iters": 5000, "dropout": 0.2,
}  # fmt: skip
_CPU = {
    "n_layer": 6, "n_head": 6, "head_size": 32, "block_size": 128, "batch_size": 16, "dropout": 0.0,
}  # fmt: skip

# Values that depend on the device: the user is told what was chosen.
FILLED = (
    "n_layer", "n_head", "n_embd", "block_size", "dropout",
    "batch_size", "max_iters", "lr", "warmup_iters", "eval_interval",
)  # fmt: skip

CPU_SECONDS = 600
# What two cores of a current server or laptop sustain in training, in FLOP/s.
_CPU_FLOPS = {"float32": 130e9, "bfloat16": 200e9}


@dataclass(frozen=True)
class Resolved:
    """A complete configuration, and which of its values the user did not give."""

    model: ModelConfig
    training: TrainConfig
    filled: Mapping[str, Any]


def resolve(
    given: Values, preset: Preset | None, vocab_size: int, device: str, precision: str, threads: int
) -> Resolved:
    """Merge flags, preset or family, and the device's defaults; the first of them wins.

    UsageError where a flag changes what the family has fixed.
    """
    fixed = {"vocab_size": vocab_size, "device": device, "precision": precision, "threads": threads}
    start = _family_values(given) if preset is None else _preset_values(preset, given)
    known = {**start, **given, **fixed}
    base = _CPU if device == "cpu" else _GPU
    model = ModelConfig(**_model_values(known, base))
    training = TrainConfig(**_train_values(known, base, model))
    whole = {**asdict(model), **asdict(training)}
    filled = {name: whole[name] for name in FILLED if name not in given}
    return Resolved(model, training, filled)


def usual_batch(preset: Preset, device: str) -> int:
    """The number of rows per micro-batch of a preset, unless the user gives another."""
    base = _CPU if device == "cpu" else _GPU
    values: Values = {**base, **preset.training}
    return int(values["batch_size"])


def _family_values(given: Values) -> dict[str, Any]:
    name = given.get("family", USUAL_FAMILY)
    check_choice("family", name, TRAINABLE)
    family = FAMILIES[name]
    check_choices(family, _switches(given))
    return dict(family.switches)


def _preset_values(preset: Preset, given: Values) -> dict[str, Any]:
    family = family_of(preset.model)
    if given.get("family", family.name) != family.name:
        raise UsageError(
            f"--family {given['family']} and --preset both choose a model: leave one of them out"
        )
    check_choices(family, _switches(given))
    model = {field.name: getattr(preset.model, field.name) for field in fields(ModelConfig)}
    if not preset.model.lm_head:
        del model["n_embd"]  # the stream is the logits, as wide as the vocabulary
    values = {**model, **preset.training}
    if "lr" in given and values.get("min_lr") == values.get("lr"):
        values["min_lr"] = given["lr"]  # the preset's rate is constant: keep it so
    return values


def _switches(given: Values) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in MODEL_FLAGS}


def _model_values(known: Values, base: Values) -> dict[str, Any]:
    values = {name: known[name] for name in (*MODEL_FLAGS, "vocab_size") if name in known}
    for name in ("n_layer", "block_size", "dropout"):
        values.setdefault(name, base[name])
    if not values.get("lm_head", True):
        values.setdefault("n_embd", values["vocab_size"])
    if "n_head" not in values:
        is_rotary = values.get("positions") == "rotary"
        values["n_head"] = _heads_for(values.get("n_embd"), base, even=is_rotary)
    values.setdefault("n_embd", base["head_size"] * values["n_head"])
    return values


def _heads_for(n_embd: int | None, base: Values, even: bool) -> int:
    """The usual number of heads; where the width is given, heads of about the usual width.

    ``even`` makes the width of a head even.
    """
    if n_embd is None or not 1 <= n_embd <= LARGEST_SIZES["n_embd"]:
        return int(base["n_head"])
    whole = n_embd // 2 if even and n_embd % 2 == 0 else n_embd
    divisors = [n for n in range(1, whole + 1) if whole % n == 0]
    return min(divisors, key=lambda n: abs(n - n_embd / base["head_size"]))


def _train_values(known: Values, base: Values, model: ModelConfig) -> dict[str, Any]:
    values = {name: known[name] for name in TRAIN_FLAGS if name in known}
    values.setdefault("batch_size", base["batch_size"])
    for name in ("batch_size", "grad_accum"):  # before they divide
        check_whole(name, values.get(name, 1), 1)
    if "max_iters" not in values:
        rows = values["batch_size"] * values.get("grad_accum", 1)
        values["max_iters"] = base.get("max_iters") or _affordable_iters(
            model, rows, values["precision"]
        )
    values.setdefault("lr", usual_rate(model))
    values.setdefault("min_lr", values["lr"] / 10)
    values.setdefault("warmup_iters", min(100, values["max_iters"] // 10))
    values.setdefault("eval_interval", max(1, -(-values["max_iters"] // 6)))
    return values


def usual_rate(model: ModelConfig) -> float:
    """The default learning rate: inversely proportional to the width (Yang et al. 2022).

    The constant is measured: a width of 128 learns best near 4e-3 (Tiny Shakespeare), and
    GPT-2's 768 is commonly trained at 6e-4.
    """
    return float(f"{min(4e-3, 0.5 / model.n_embd):.2g}")


def _affordable_iters(model: ModelConfig, rows: int, precision: str) -> int:
    """The number of iterations that take about CPU_SECONDS, rounded."""
    cost = rows * sequence_flops(model, model.block_size).training_full
    iters = CPU_SECONDS * _CPU_FLOPS[precision] / cost
    return max(10, round(iters, -2 if iters >= 1000 else -1).__trunc__())
