"""manifest.json: the size and sha256 of a directory's files, to prove that it is intact."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gptcli.checkpoint.config_json import read_small_json
from gptcli.checkpoint.model_files import MODEL_FILES, WEIGHTS_FILE, weight_files
from gptcli.checkpoint.run import MANIFEST_FILE
from gptcli.checkpoint.tensors import Weights, save_weights
from gptcli.config.model import ModelConfig
from gptcli.errors import CheckpointError, UsageError
from gptcli.runtime.files import write_json
from gptcli.runtime.hashing import sha256_of

_SHA256 = re.compile(r"[0-9a-f]{64}")

Hashes = Mapping[str, Any]


def write_manifest(directory: Path) -> None:
    """Write the manifest of a directory, in which all entries must be regular files."""
    write_json(directory / MANIFEST_FILE, {"files": _listed(directory)})


def check_manifest(directory: Path) -> int:
    """Check that a directory has exactly the listed files, unchanged; returns how many.

    CheckpointError names the first that differs.
    """
    expected = _files_of(directory)
    actual = _listed(directory)
    _check_equal(directory, {name: [expected.get(name)] for name in {*actual, *expected}}, actual)
    return len(actual)


def publish_weights(run: Path, weights: Weights, config: ModelConfig, step: int) -> None:
    """Replace the weights of a run by those of ``step``, and what its manifest says of them.

    The manifest is written first and lists the old and the new weights, so that a check after a
    crash in between accepts either; afterwards it lists the new ones alone.
    """
    manifest: dict[str, Any] = {}

    def announce(file: Path) -> None:
        old = run / WEIGHTS_FILE
        described = [run / name for name in MODEL_FILES if name != WEIGHTS_FILE]
        files = {path.name: _entry(path) for path in described if path.is_file()}
        files[WEIGHTS_FILE] = _entry(file)
        manifest.update(files=files, step=step)
        replaced = _entry(old) if old.is_file() else None
        both = {**manifest, "replaced": replaced, "replaced_step": _step_of(run)}
        write_json(run / MANIFEST_FILE, both)

    save_weights(run / WEIGHTS_FILE, weights, config, announce)
    write_json(run / MANIFEST_FILE, manifest)


def _step_of(run: Path) -> Any:
    """The step of the published weights; None where there are none or it is not known."""
    try:
        return _read(run).get("step")
    except (UsageError, CheckpointError):
        return None


def check_published(directory: Path) -> int | None:
    """Check the files of a model directory; returns how many, None if no hash is recorded.

    A run has them in its manifest; in the hub's cache the names of the files are their hashes.
    CheckpointError names the first file that differs.
    """
    if (directory / MANIFEST_FILE).is_file():
        document = _read(directory)
        expected = {name: [entry] for name, entry in _files_of(directory).items()}
        if WEIGHTS_FILE in expected and document.get("replaced"):
            expected[WEIGHTS_FILE].append(document["replaced"])
        actual = {name: _entry(directory / name) for name in expected if _is_there(directory, name)}
        _check_equal(directory, expected, actual)
        return len(actual)
    named = [file for file in weight_files(directory) if _SHA256.fullmatch(file.resolve().name)]
    for file in named:
        if sha256_of(file) != file.resolve().name:
            raise CheckpointError(f"{file} is not what the hub has (its sha256 differs)")
    return len(named) or None


def _is_there(directory: Path, name: str) -> bool:
    return Path(name).name == name and (directory / name).is_file()


def _check_equal(
    directory: Path, allowed: Mapping[str, list[Any]], actual: Mapping[str, Any]
) -> None:
    for name in sorted(allowed):
        if actual.get(name) not in allowed[name]:
            raise CheckpointError(
                f"{directory / name} is not what was saved: it is missing, or its size or sha256 "
                "differs"
            )


def _read(directory: Path) -> dict[str, Any]:
    return read_small_json(directory / MANIFEST_FILE)


def _files_of(directory: Path) -> Hashes:
    files = _read(directory).get("files")
    if not isinstance(files, dict):
        raise CheckpointError(f"{directory / MANIFEST_FILE} lists no files")
    return files


def _listed(directory: Path) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for file in sorted(directory.iterdir()):
        if not stat.S_ISREG(file.lstat().st_mode):
            raise CheckpointError(f"{file} is not a regular file, which a saved step never has")
        if file.name != MANIFEST_FILE:
            entries[file.name] = _entry(file)
    return entries


def _entry(file: Path) -> dict[str, int | str]:
    return {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
