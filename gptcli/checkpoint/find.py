"""Find the model directory that the user means: a run, a path or a name on the hub."""

import difflib
from collections.abc import Callable
from pathlib import Path

from gptcli.checkpoint.config_json import CONFIG_FILE
from gptcli.checkpoint.model_files import GENERATION_FILE, INDEX_FILE, WEIGHTS_FILE, weight_names
from gptcli.checkpoint.run import RECORD_FILE, RESUME_FOLDER, RUNS
from gptcli.errors import UsageError
from gptcli.runtime.hub import HubFiles, fetch_files, may_be_on_hub
from gptcli.runtime.outputs import newest
from gptcli.tokenization.loading import fetch_tokenizer

_INSTEAD = "the path of a model directory"
_DESCRIPTION = HubFiles("model", ((CONFIG_FILE,),), _INSTEAD)
_MODEL = HubFiles(
    "model in safetensors, pickles being never opened",
    ((CONFIG_FILE, WEIGHTS_FILE), (CONFIG_FILE, INDEX_FILE)),
    _INSTEAD,
    beside=(GENERATION_FILE,),
)


def newest_run(root: Path = RUNS) -> Path:
    """The run that was begun last and has weights; UsageError where there is none."""
    run = newest(root, RECORD_FILE, also=WEIGHTS_FILE)
    if run is None:
        raise UsageError(f"no trained run in {root}/: train one with `gptcli train`")
    return run


def model_directory(path: Path) -> Path:
    """Return ``path`` if it is a model directory; else raise a UsageError that says what to try."""
    if (path / CONFIG_FILE).is_file():
        return path
    if not path.exists():
        near = _nearest_run(path)
        hint = f"did you mean {near}?" if near else "give a run such as runs/input"
        raise UsageError(f"{path} does not exist: {hint}")
    raise UsageError(f"{path} is not a model directory: it has no {CONFIG_FILE}")


def named_model(path: Path, fetch: Callable[[str, str], Path]) -> Path:
    """The model directory at ``path``, or the one that ``fetch`` downloads for a hub id.

    ``fetch`` takes the id and a hint with which its error messages end.
    """
    name = path.as_posix()
    if path.exists() or path.parent == RUNS or not may_be_on_hub(name):
        return model_directory(path)
    near = _nearest_run(path)
    return fetch(name, f"; did you mean {near}?" if near else "")


def fetch_description(hub_id: str, hint: str = "") -> Path:
    """A directory with the config.json of a model on the hub; raises as ``fetch_files``."""
    return fetch_files(hub_id, _DESCRIPTION, hint)


def fetch_model(hub_id: str, hint: str = "") -> Path:
    """A directory with its config, weights and tokenizer; raises what ``fetch_files`` does."""
    directory = fetch_files(hub_id, _MODEL, hint)
    shards = tuple(weight_names(directory))
    if shards != (WEIGHTS_FILE,):
        fetch_files(hub_id, HubFiles("model", (shards,), _INSTEAD), hint)
    fetch_tokenizer(hub_id, hint)
    return directory


def _nearest_run(path: Path) -> str | None:
    """The run, or the saved step of one, whose path is spelt most like this one."""
    entries = (*RUNS.glob("*"), *RUNS.glob(f"*/{RESUME_FOLDER}/step-*"))
    known = [entry.as_posix() for entry in entries if entry.is_dir()]
    near = difflib.get_close_matches(path.as_posix(), known, n=1, cutoff=0.5)
    return near[0] if near else None


def run_of(directory: Path) -> Path | None:
    """The run that a model directory is or belongs to; None for one from elsewhere."""
    for candidate in (directory, directory.resolve().parent.parent):
        if (candidate / RECORD_FILE).is_file():
            return candidate
    return None
