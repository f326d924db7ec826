"""Checks whether a model directory is what its records say it is, each check by itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gptcli.checkpoint.find import run_of
from gptcli.checkpoint.manifest import check_manifest, check_published, unrecorded
from gptcli.checkpoint.resume import resume_steps
from gptcli.checkpoint.run import check_record, read_record
from gptcli.data.dataset import Dataset
from gptcli.data.preparation.verify import verify_dataset
from gptcli.errors import CheckpointError, DataError, ResourceError, UsageError
from gptcli.evaluation.transformers_comparison import (
    TransformersComparison,
    TransformersMissingError,
)
from gptcli.generation.loaded_model import LoadedModel, read_model

_PROBLEMS = (CheckpointError, DataError, ResourceError, UsageError, OSError)


@dataclass(frozen=True)
class Finding:
    """The result of a check: it held (True), failed (False) or could not be made (None)."""

    name: str
    held: bool | None
    detail: str


def verify(directory: Path, device: str) -> Iterator[Finding]:
    """Check files, saved steps, data and weights; then the model against transformers."""
    yield _files(directory)
    yield from _saved_steps(directory)
    yield from _data(directory)
    try:
        loaded = read_model(directory, device)
    except _PROBLEMS as error:
        yield Finding("weights", False, str(error))
        return
    n_parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
    yield Finding("weights", True, f"{n_parameters:,} parameters, as config.json describes them")
    yield from _against_transformers(loaded)


def _files(directory: Path) -> Finding:
    try:
        n_files, unproven = check_published(directory), unrecorded(directory)
    except _PROBLEMS as error:
        return Finding("files", False, str(error))
    if n_files is None:
        return Finding("files", None, "there is no record of their sha256")
    but = f", but none is recorded of {' and '.join(unproven)}" if unproven else ""
    return Finding("files", True, f"{n_files} have the recorded size and sha256{but}")


def _saved_steps(directory: Path) -> Iterator[Finding]:
    """Check the saved steps of a run; another directory has none."""
    try:
        if steps := resume_steps(directory):
            for step in steps:
                check_manifest(step)
            yield Finding("saved steps", True, f"{len(steps)} have every file as it was saved")
    except _PROBLEMS as error:
        yield Finding("saved steps", False, str(error))


def _data(directory: Path) -> Iterator[Finding]:
    """Check whether a run's dataset is still the one that it was trained on, and undamaged."""
    if (run := run_of(directory)) is None:
        return
    try:
        check_record(run)
        record = read_record(run).data
        if not Path(record.directory).is_dir():
            yield Finding("data", None, f"{record.directory} is not here")
            return
        same = Dataset.open(Path(record.directory)).has_identity(record.dataset)
        if same:
            verify_dataset(Path(record.directory))
    except _PROBLEMS as error:
        yield Finding("data", False, str(error))
        return
    verb, whole = ("is", ", every file undamaged") if same else ("is not", "")
    yield Finding("data", same, f"{record.directory} {verb} what the run was trained on{whole}")


def _against_transformers(loaded: LoadedModel) -> Iterator[Finding]:
    try:
        comparison = TransformersComparison.of(loaded)
    except TransformersMissingError as reason:
        yield Finding("transformers", None, str(reason))
        return
    except Exception as error:  # the library may raise anything for damaged files
        yield Finding("transformers", False, f"it cannot load the directory: {_one_line(error)}")
        return
    checks: dict[str, Callable[[], tuple[bool, str]]] = {"token ids": comparison.compare_ids}
    if loaded.model.config.score:
        checks |= {"score": comparison.compare_score}
    else:
        checks |= {
            "logits": comparison.compare_logits,
            "greedy text": comparison.compare_greedy_text,
        }
    for name, check in checks.items():
        try:
            yield Finding(name, *check())
        except Exception as error:
            yield Finding(name, False, f"it cannot be compared: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
