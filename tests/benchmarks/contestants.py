"""Training steps of gptcli, nanoGPT, transformers' Trainer and LitGPT, each a process of its own.

A contestant is a function that starts the process, lets it do a few steps and returns the
median seconds of one, without those that warm up, compile or evaluate.
"""

import json
import os
import pickle
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gptcli.config.checks import flag
from gptcli.config.model import ModelConfig

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
SHAKESPEARE = SHARED / "tinyshakespeare.txt"
Contestant = Callable[[], float]

_HERE = Path(__file__).parent
_DATASET = "gptcli_bench"
# On a CPU nanoGPT's train.py trains in float32 whatever --dtype says. Its model in bfloat16 is
# measured as its own autocast would run it: with the condition taken out of that line.
_ALWAYS_AUTOCAST = """
import sys
source = open("train.py").read()
changed = source.replace("nullcontext() if device_type == 'cpu' else torch.amp", "torch.amp")
assert changed != source, "train.py has another line for its context"
exec(compile(changed, "train.py", "exec"))
"""


@dataclass(frozen=True)
class Setting:
    """A GPT-2 and its batch, the same for all contestants."""

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    batch_size: int
    dropout: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens of one step."""
        return self.batch_size * self.block_size

    @property
    def flags(self) -> tuple[str, ...]:
        """The setting as flags of ``gptcli train``."""
        pairs = asdict(self).items()
        return tuple(part for name, value in pairs for part in (flag(name), str(value)))

    def model(self, vocab_size: int) -> ModelConfig:
        """The model, for counting its operations."""
        sizes = (self.n_layer, self.n_head, self.n_embd, self.block_size)
        return ModelConfig(*sizes, vocab_size=vocab_size)


@dataclass(frozen=True)
class Length:
    """How many steps a process does, and which of them count."""

    steps: int
    warmup: int

    def median(self, seconds: Sequence[float]) -> float:
        """The median of the steps after the warm-up."""
        assert len(seconds) > self.warmup, f"only {len(seconds)} steps were measured"
        return statistics.median(seconds[self.warmup :])


CPU_SETTING = Setting(4, 4, 128, 64, 12)
LECTURE_SIZE = Setting(6, 6, 384, 256, 64, dropout=0.2)


def prepare(folder: Path) -> None:
    """Make the dataset ``data/input`` of characters, of Tiny Shakespeare if it is there."""
    source = SHAKESPEARE if SHAKESPEARE.exists() else "python"
    gptcli(folder, "prepare", source, "--out", "data/input", "--overwrite")


def gptcli(folder: Path, *argv: object) -> str:
    """Run a command in ``folder``; returns what it printed."""
    return output([sys.executable, "-m", "gptcli", *map(str, argv)], folder)


def output(command: Sequence[str], folder: Path, **variables: str) -> str:
    """What a process prints to stdout; if it fails, its last words are raised."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]}\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    return done.stdout


def ours(
    folder: Path, setting: Setting, length: Length, precision: str, compiled: str
) -> Contestant:
    """``gptcli train``, as the run's own metrics say."""
    # An evaluation of one batch ends each group of steps that the metrics time together.
    every = max(2, length.steps // 10)
    flags = (
        "--family", "gpt2", "--optimizer", "adamw", *setting.flags, "--max-iters", length.steps,
        "--eval-interval", every, "--eval-batches", 1, "--precision", precision,
        "--compile", compiled, "--out", "runs/bench", "--overwrite", "-q",
    )  # fmt: skip

    def train() -> float:
        gptcli(folder, "train", "data/input", *flags)
        lines = (folder / "runs/bench/metrics.jsonl").read_text().splitlines()
        rates = [one["tokens_per_second"] for one in map(json.loads, lines) if "lr" in one]
        groups = [setting.tokens / rate for rate in rates]
        return Length(0, min(-(-length.warmup // every), len(groups) - 1)).median(groups)

    return train


def nanogpt(
    folder: Path, peer: Path, setting: Setting, length: Length, precision: str, compiled: bool
) -> Contestant:
    """nanoGPT's train.py, as it prints its times; it runs in a copy of the checkout."""
    place = _nanogpt_copy(folder, peer)
    sizes = [f"--{name}={value}" for name, value in asdict(setting).items()]
    start = ["train.py"] if precision == "float32" else ["-c", _ALWAYS_AUTOCAST]
    command = [
        sys.executable, *start, "config/train_shakespeare_char.py", "--device=cpu",
        f"--compile={compiled}", f"--dtype={precision}", f"--dataset={_DATASET}", "--eval_iters=1",
        f"--eval_interval={length.steps + 1}", "--log_interval=1", f"--max_iters={length.steps}",
        f"--lr_decay_iters={length.steps}", *sizes,
    ]  # fmt: skip

    def train() -> float:
        printed = output(command, place)
        return length.median([float(ms) / 1000 for ms in re.findall(r"time ([\d.]+)ms", printed)])

    return train


def _nanogpt_copy(folder: Path, peer: Path) -> Path:
    """Its scripts beside our shards; it wants the size of the vocabulary in a pickle."""
    place, data = folder / "nanoGPT", folder / "nanoGPT" / "data" / _DATASET
    data.mkdir(parents=True, exist_ok=True)
    for name in ("train.py", "model.py", "configurator.py"):
        shutil.copy(peer / name, place)
    shutil.copytree(peer / "config", place / "config", dirs_exist_ok=True)
    for split in ("train", "val"):
        shutil.copy(_shard(folder, split), data / f"{split}.bin")
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": vocabulary(folder)}))
    return place


def vocabulary(folder: Path) -> int:
    """The number of tokens of the prepared dataset."""
    return int(json.loads((folder / "data/input/dataset.json").read_text())["vocab_size"])


def _shard(folder: Path, split: str) -> Path:
    return folder / "data/input" / split / "part-00000.bin"


def trainer(
    folder: Path, setting: Setting, length: Length, precision: str, compiled: bool
) -> Contestant:
    """transformers' Trainer on a GPT2LMHeadModel."""
    return _script(folder, sys.executable, "peer_trainer.py", setting, length, precision, compiled)


def litgpt(
    folder: Path, python: str, setting: Setting, length: Length, precision: str
) -> Contestant:
    """LitGPT's pretrain, which always compiles; ``python`` is the interpreter that has it."""
    return _script(folder, python, "peer_litgpt.py", setting, length, precision, True)


def _script(
    folder: Path, python: str, name: str, setting: Setting, length: Length, precision: str,
    compiled: bool,
) -> Contestant:  # fmt: skip
    """A script beside this file that prints a JSON list of the seconds of its steps."""
    work = {
        **asdict(setting), "steps": length.steps, "precision": precision, "compile": compiled,
        "tokens": str(_shard(folder, "train")), "vocab_size": vocabulary(folder),
    }  # fmt: skip
    command = [python, str(_HERE / name), json.dumps(work)]

    def train() -> float:
        return length.median(json.loads(output(command, folder).splitlines()[-1]))

    return train
