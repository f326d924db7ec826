"""At which step of its training a run's weights were saved; read without torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptcli.checkpoint.config_json import read_small_json
from gptcli.checkpoint.find import run_of
from gptcli.checkpoint.model_files import WEIGHTS_FILE
from gptcli.checkpoint.run import MANIFEST_FILE, RESUME_FOLDER, STATE_FILE, read_record
from gptcli.errors import CheckpointError, UsageError
from gptcli.runtime.hashing import sha256_of


@dataclass(frozen=True)
class WeightsStep:
    """The optimizer step at which weights were saved, and how many their run was to have."""

    step: int
    max_iters: int

    def __str__(self) -> str:
        return f"step {self.step:,} of {self.max_iters:,}"


def weights_step(directory: Path) -> WeightsStep | None:
    """The step of a model directory's weights.

    None for a model from elsewhere, and where the files of the run do not tell.
    """
    run = run_of(directory)
    if run is None:
        return None
    try:
        step = _published_step(run) if run == directory else _saved(directory, "step")
        max_iters = read_record(run).training.max_iters
    except (UsageError, CheckpointError):
        return None
    return WeightsStep(step, max_iters) if isinstance(step, int) else None


def reason_without_step(directory: Path) -> str | None:
    """Why the step of a run's weights is not known; None of a model from elsewhere."""
    run = run_of(directory)
    try:
        if run is not None:
            read_record(run)
    except (UsageError, CheckpointError) as error:
        return f"{error}; so the step of the weights is not known"
    return None


def step_document(step: WeightsStep | None) -> dict[str, int | None]:
    """What every JSON document says about the step; None of a model from elsewhere."""
    return {
        "step": None if step is None else step.step,
        "max_iters": None if step is None else step.max_iters,
    }


def _published_step(run: Path) -> Any:
    manifest = read_small_json(run / MANIFEST_FILE)
    if "step" not in manifest:  # written by gptcli 0.1.0, which published the best step alone
        newest = max((run / RESUME_FOLDER).glob("step-*"), default=run)
        return _saved(newest, "best_step")
    # After a crash while the weights were replaced they may be the old or the new ones.
    if manifest.get("replaced"):
        entry = manifest.get("files", {}).get(WEIGHTS_FILE, {})
        if sha256_of(run / WEIGHTS_FILE) != entry.get("sha256"):
            return manifest.get("replaced_step")
    return manifest["step"]


def _saved(step: Path, name: str) -> Any:
    return read_small_json(step / STATE_FILE).get(name)
