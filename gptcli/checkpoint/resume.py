"""Resume steps: model directories with optimizer state, committed whole or not at all."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from gptcli.checkpoint.config_json import read_model_config, read_small_json
from gptcli.checkpoint.files import WEIGHTS_FILE, write_description
from gptcli.checkpoint.tensors import (
    Weights,
    load_tensors,
    load_weights,
    save_tensors,
    save_weights,
)
from gptcli.config.model import ModelConfig
from gptcli.data.tokenizer import Tokenizer
from gptcli.errors import CheckpointError, UsageError
from gptcli.runtime.files import interrupted_writes, new_directory, remove_stale, write_json

RESUME_FOLDER = "resume"
_OPTIMIZER_FILE = "optimizer.safetensors"
_STATE_FILE = "state.json"
_MANIFEST_FILE = "manifest.json"
_KEPT_STEPS = 2  # one to go on from, one to fall back to


@dataclass(frozen=True)
class Progress:
    """How far a run has come: optimizer steps done, the last evaluated, the best so far."""

    step: int = 0
    evaluated_step: int = -1
    best_step: int = -1
    best_loss: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """Everything a run continues from."""

    progress: Progress
    weights: Weights
    optimizer: Weights


def save_step(run: Path, snapshot: Snapshot, config: ModelConfig, tokenizer: Tokenizer) -> None:
    """Commit a resume step, then drop the oldest beyond those that are kept."""
    folder = run / RESUME_FOLDER
    with new_directory(folder / f"step-{snapshot.progress.step:08d}") as directory:
        write_description(directory, config, tokenizer)
        save_weights(directory / WEIGHTS_FILE, snapshot.weights, config)
        save_tensors(directory / _OPTIMIZER_FILE, snapshot.optimizer)
        write_json(directory / _STATE_FILE, asdict(snapshot.progress))
        write_json(directory / _MANIFEST_FILE, {"files": _hashes(directory)})
    for old in resume_steps(run)[:-_KEPT_STEPS]:
        shutil.rmtree(old, ignore_errors=True)


def resume_steps(run: Path) -> list[Path]:
    """The committed steps of a run, oldest first."""
    return sorted((run / RESUME_FOLDER).glob("step-*"))


def clear_stale_steps(run: Path) -> None:
    """Remove what a killed save left behind; call it while holding the run's lock."""
    for folder in (run, run / RESUME_FOLDER):
        for name in interrupted_writes(folder):
            remove_stale(folder, name)


def load_newest_step(run: Path) -> tuple[Snapshot, list[str]]:
    """The newest step that proves whole, and what was wrong with newer ones.

    Raises UsageError where nothing was saved, CheckpointError where nothing is whole.
    """
    steps = resume_steps(run)
    if not steps:
        raise UsageError(f"{run} has no saved step to resume from: train it anew")
    problems: list[str] = []
    for step in reversed(steps):
        try:
            return load_step(step), problems
        except (CheckpointError, UsageError) as error:
            problems.append(str(error))
    raise CheckpointError(f"no saved step of {run} can be used: {problems[0]}")


def load_step(step: Path) -> Snapshot:
    """One step, after its manifest has been checked."""
    _check_manifest(step)
    raw = read_small_json(step / _STATE_FILE)
    try:
        progress = Progress(**raw)
    except TypeError as error:
        raise CheckpointError(f"{step / _STATE_FILE} cannot be used: {error}") from error
    weights = load_weights(step, read_model_config(step))
    return Snapshot(progress, _copied(weights), _copied(load_tensors(step / _OPTIMIZER_FILE)))


def _copied(tensors: Weights) -> Weights:
    """Out of the file, which training will remove, and aligned as in a fresh run."""
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _hashes(directory: Path) -> dict[str, dict[str, int | str]]:
    return {
        file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)}
        for file in sorted(directory.iterdir())
        if file.name != _MANIFEST_FILE
    }


def _check_manifest(step: Path) -> None:
    expected = read_small_json(step / _MANIFEST_FILE).get("files")
    actual = json.loads(json.dumps(_hashes(step)))
    if actual == expected:
        return
    names = {*actual, *(expected if isinstance(expected, dict) else {})}
    wrong = [n for n in sorted(names) if actual.get(n) != (expected or {}).get(n)]
    raise CheckpointError(f"{step / wrong[0]} is not what was saved (size or sha256 differs)")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
