"""Which parts of newer models help a small one? One change at a time, three seeds each.

    python examples/modern_features.py input.txt

The start is the lecture's model and training, scaled down: 4 layers, 4 heads, 128 wide, a context
of 128, a constant rate, no dropout. Each row changes one thing, the last all of them. All runs do
the same number of steps and are measured over the whole validation split. What is done is kept in
the folder ``features``, or the one that ``--folder`` names; the same command goes on from there.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.data.dataset import Dataset
from gptcli.evaluation.loss import evaluate_split
from gptcli.families.registry import find_preset
from gptcli.fast.layers import use_fast_layers
from gptcli.model.initialization import new_model
from gptcli.runtime.device import choose_precision, threads_on
from gptcli.runtime.seeds import derive_seed
from gptcli.training.optimizers import make_optimizers
from gptcli.training.step import Stepper

SIZES = {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 128, "dropout": 0.0}
TRAINING = {"batch_size": 8, "lr": 2e-3, "min_lr": 2e-3, "schedule": "constant"}
SEEDS = (1, 2, 3)
LINE = "| {:<22} | {:>10} | {:>8} | {:>7} | {:>10} |"


@dataclass(frozen=True)
class Feature:
    """Fields of the model and of its training that differ from the start."""

    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    def __add__(self, other: "Feature") -> "Feature":
        return Feature({**self.model, **other.model}, {**self.training, **other.training})


ROTARY = Feature({"positions": "rotary"})
RMS_NORM = Feature({"norm": "rms"})
SWIGLU = Feature({"activation": "silu", "gated": True})  # 8% more parameters
SQUARED_RELU = Feature({"activation": "relu_squared"})
QK_NORM = Feature({"qk_norm": True})
MUON = Feature(
    training={
        "optimizer": "muon", "lr": 0.03, "min_lr": 0.03, "weight_decay": 0.2, "beta1": 0.8,
        "beta2": 0.95, "embedding_lr": 4e-3, "head_lr": 4e-3, "vector_lr": 4e-3,
    }
)  # fmt: skip
COSINE = Feature(training={"schedule": "cosine", "min_lr": 0.0})
WSD = Feature(training={"schedule": "wsd", "min_lr": 0.0})  # falls over the last 60% of the steps
FEATURES = {
    "start": Feature(),
    "rotary positions": ROTARY,
    "RMSNorm": RMS_NORM,
    "SwiGLU": SWIGLU,
    "squared ReLU": SQUARED_RELU,
    "query/key norm": QK_NORM,
    "Muon": MUON,
    "cosine schedule": COSINE,
    "wsd schedule": WSD,
    "all, with squared ReLU": ROTARY + RMS_NORM + SQUARED_RELU + QK_NORM + MUON + WSD,
}


@dataclass(frozen=True)
class Outcome:
    """The validation loss of one run, and the seconds that its steps took."""

    feature: str
    seed: int
    steps: int
    val_loss: float
    seconds: float


def configured(
    feature: Feature, seed: int, steps: int, vocab_size: int
) -> tuple[ModelConfig, TrainConfig]:
    """The model and training of one run."""
    preset = find_preset("lecture")
    model = replace(preset.model, **{**SIZES, "vocab_size": vocab_size, **feature.model})
    values = {**preset.training, **TRAINING, **feature.training, "seed": seed, "max_iters": steps}
    where = {"device": "cpu", "precision": choose_precision("auto", "cpu").value}
    return model, TrainConfig(**values, **where)


def train(name: str, seed: int, steps: int, dataset: Dataset) -> Outcome:
    """Train one model from random weights and measure it."""
    shape, config = configured(FEATURES[name], seed, steps, dataset.vocab_size)
    model = use_fast_layers(new_model(shape, derive_seed(seed, "weights"))).train()
    stepper = Stepper(model, make_optimizers(model, config), dataset.train, config)
    started = time.perf_counter()
    for step in range(steps):
        stepper.advance(step)
    seconds = time.perf_counter() - started
    loss = evaluate_split(model, dataset.val, "cpu").loss
    return Outcome(name, seed, steps, loss, seconds)


def train_all(dataset: Dataset, folder: Path, steps: int) -> list[Outcome]:
    """Every feature with every seed, but for those that the folder has already."""
    kept = folder / "outcomes.jsonl"
    lines = kept.read_text().splitlines() if kept.exists() else []
    outcomes = [one for line in lines if (one := Outcome(**json.loads(line))).steps == steps]
    done = {(one.feature, one.seed) for one in outcomes}
    for seed in SEEDS:
        for name in FEATURES:
            if (name, seed) not in done:
                outcome = train(name, seed, steps, dataset)
                with kept.open("a") as file:
                    file.write(json.dumps(vars(outcome)) + "\n")
                print(f"{name}, seed {seed}: {outcome.val_loss:.4f}", flush=True)
                outcomes.append(outcome)
    return outcomes


def prepared(text: str, folder: Path) -> Dataset:
    """The characters of a text as a dataset in the folder, made unless it is there."""
    data = folder / "data"
    if not data.exists():
        command = ["prepare", text, "--tokenizer", "char", "--out", str(data)]
        subprocess.run([sys.executable, "-m", "gptcli", *command], check=True)
    return Dataset.open(data)


def by_feature(outcomes: list[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of all seeds, in the order of the table."""
    return {name: [one for one in outcomes if one.feature == name] for name in FEATURES}


def print_table(outcomes: list[Outcome]) -> None:
    """Print the mean and the spread over the seeds, and what the change is worth."""
    print(LINE.format("feature", "val loss", "spread", "gain", "ms a step"))
    print(LINE.format("---", "---", "---", "---", "---"))
    rows = by_feature(outcomes)
    start = statistics.mean(one.val_loss for one in rows["start"])
    for name, runs in rows.items():
        losses = [one.val_loss for one in runs]
        mean, spread = statistics.mean(losses), max(losses) - min(losses)
        step = 1000 * statistics.median(one.seconds / one.steps for one in runs)
        cells = (f"{mean:.3f}", f"{spread:.3f}", f"{start - mean:+.3f}", f"{step:.0f}")
        print(LINE.format(name, *cells))


def draw(outcomes: list[Outcome], path: Path) -> None:
    """Draw the mean of every row, with bars from its best seed to its worst."""
    from matplotlib.figure import Figure

    rows = by_feature(outcomes)
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    for place, runs in enumerate(rows.values()):
        losses = [one.val_loss for one in runs]
        mean = statistics.mean(losses)
        bar = [[mean - min(losses)], [max(losses) - mean]]
        axes.errorbar(mean, place, xerr=bar, fmt="o", color="#0072b2", capsize=4)
    axes.set_yticks(range(len(rows)), labels=list(rows))
    axes.invert_yaxis()
    axes.set_xlabel("validation loss (nats per character), mean and range of the seeds")
    axes.grid(alpha=0.25)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Train what is missing, print the table and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="Tiny Shakespeare, for the table of README.md")
    parser.add_argument("--folder", type=Path, default=Path("features"))
    parser.add_argument("--steps", type=int, default=500, help="fewer, to try it out")
    asked = parser.parse_args()
    outcomes = train_all(prepared(asked.text, asked.folder), asked.folder, asked.steps)
    print(f"{asked.steps} steps, {threads_on('cpu')} threads")
    print_table(outcomes)
    draw(outcomes, asked.folder / "features.svg")


if __name__ == "__main__":
    main()
