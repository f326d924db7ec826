"""Resume steps: model directories with optimizer state, each written completely or not at all."""

import math
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from gptcli.checkpoint.config_json import read_model_config, read_small_json
from gptcli.checkpoint.manifest import check_manifest, write_manifest
from gptcli.checkpoint.model_files import WEIGHTS_FILE, write_description
from gptcli.checkpoint.run import RESUME_FOLDER, STATE_FILE
from gptcli.checkpoint.tensors import (
    Weights,
    load_tensors,
    load_weights,
    save_tensors,
    save_weights,
)
from gptcli.config.model import ModelConfig
from gptcli.errors import CheckpointError, UsageError
from gptcli.runtime.directories import new_directory, remove_all_stale
from gptcli.runtime.files import write_json
from gptcli.tokenization.tokenizer import Tokenizer

_OPTIMIZER_FILE = "optimizer.safetensors"
_STATE_FIELDS = frozenset({"step", "evaluated_step", "best_step", "best_loss"})
_STEP = re.compile(r"step-(\d{8,16})")


@dataclass(frozen=True)
class Progress:
    """How far a run is: optimizer steps done, the step evaluated last, the best step so far."""

    step: int = 0
    evaluated_step: int = -1
    best_step: int = -1
    best_loss: float | None = None

    def __post_init__(self) -> None:
        for name in ("step", "evaluated_step", "best_step"):
            value = getattr(self, name)
            if type(value) is not int or not -1 <= value <= max(self.step, 0) < 2**53:
                raise CheckpointError(f"{name} is {value!r:.40}")
        has_best = isinstance(self.best_loss, float) and math.isfinite(self.best_loss)
        if has_best != (self.best_step >= 0):
            raise CheckpointError(f"best_loss is {self.best_loss!r:.40}")


@dataclass(frozen=True)
class Snapshot:
    """Everything that is needed to continue a run."""

    config: ModelConfig
    progress: Progress
    weights: Weights
    optimizer: Weights


def save_step(run: Path, snapshot: Snapshot, tokenizer: Tokenizer, keep: int) -> None:
    """Write a resume step, then remove those older than the newest ``keep`` intact ones."""
    folder, config = _folder(run), snapshot.config
    step = folder / f"step-{snapshot.progress.step:08d}"
    with new_directory(step) as directory:
        write_description(directory, config, tokenizer)
        save_weights(directory / WEIGHTS_FILE, snapshot.weights, config)
        save_tensors(directory / _OPTIMIZER_FILE, snapshot.optimizer)
        write_json(directory / STATE_FILE, asdict(snapshot.progress))
        write_manifest(directory)
    _remove_old(run, step, keep)


def _remove_old(run: Path, new: Path, keep: int) -> None:
    """Remove the steps before the newest ``keep`` intact ones, among which is the ``new`` one.

    Steps that have been damaged since they were saved do not count, so that as many good ones
    stay to fall back to.
    """
    steps, intact = resume_steps(run), 0
    if len(steps) <= keep:
        return
    for step in reversed(steps):
        if intact == keep:
            shutil.rmtree(step, ignore_errors=True)
        elif step == new or _is_intact(step):
            intact += 1


def _is_intact(step: Path) -> bool:
    try:
        check_manifest(step)
    except (CheckpointError, OSError):
        return False
    return True


def resume_steps(run: Path) -> list[Path]:
    """The committed steps of a run, oldest first."""
    folder = _folder(run)
    if not folder.is_dir():
        return []
    steps = {
        int(match[1]): entry
        for entry in folder.iterdir()
        if (match := _STEP.fullmatch(entry.name)) and entry.is_dir() and not entry.is_symlink()
    }
    return [steps[number] for number in sorted(steps)]


def _folder(run: Path) -> Path:
    folder = run / RESUME_FOLDER
    if folder.is_symlink():
        raise CheckpointError(
            f"{folder} is a link: steps are saved and removed only inside the run"
        )
    return folder


def clear_stale_steps(run: Path) -> None:
    """Remove what a killed save left behind; call it while holding the run's lock."""
    for folder in (run, run / RESUME_FOLDER):
        remove_all_stale(folder)


def load_newest_step(run: Path, is_strict: bool = False) -> tuple[Snapshot, list[str]]:
    """Load the newest step that is intact; also returns what was wrong with newer ones.

    Raises UsageError where nothing was saved, CheckpointError where no step is intact; if
    ``is_strict``, also where the newest is not.
    """
    steps = resume_steps(run)
    if not steps:
        raise UsageError(f"{run} has no saved step to resume from: train it again")
    problems: list[str] = []
    for step in reversed(steps):
        try:
            return load_step(step), problems
        except (CheckpointError, UsageError) as error:
            if is_strict:
                raise CheckpointError(
                    f"{error}; without --strict the save before it is taken"
                ) from error
            problems.append(str(error))
    raise CheckpointError(f"no saved step of {run} is usable: {problems[0]}")


def load_step(step: Path) -> Snapshot:
    """Load one step, after its manifest has been checked."""
    check_manifest(step)
    raw = read_small_json(step / STATE_FILE)
    try:
        if missing := _STATE_FIELDS - raw.keys():
            raise CheckpointError(f"it has no {min(missing)}")
        progress = Progress(**raw)
    except (TypeError, CheckpointError) as error:
        raise CheckpointError(f"{step / STATE_FILE} cannot be used: {error}") from error
    config = read_model_config(step)
    weights = load_weights(step, config)
    return Snapshot(config, progress, weights, _copied(load_tensors(step / _OPTIMIZER_FILE)))


def _copied(tensors: Weights) -> Weights:
    """Copy the tensors, since the file will be removed; copies are aligned as in a new run."""
    return {name: tensor.clone() for name, tensor in tensors.items()}
