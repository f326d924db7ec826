"""manifest.json: the size and sha256 of a directory's files, to prove that it is intact."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gptcli.checkpoint.config_json import read_small_json
from gptcli.checkpoint.model_files import (
    DESCRIPTION_FILES,
    MODEL_FILES,
    WEIGHTS_FILE,
    weight_files,
)
from gptcli.checkpoint.run import MANIFEST_FILE, RESUME_FOLDER
from gptcli.errors import CheckpointError
from gptcli.runtime.escapes import typed
from gptcli.runtime.files import write_json
from gptcli.runtime.hashing import sha256_of

_SHA256 = re.compile(r"[0-9a-f]{64}")

Entry = dict[str, int | str]


def write_manifest(directory: Path) -> None:
    """Write the manifest of a directory, in which all entries must be regular files."""
    write_json(directory / MANIFEST_FILE, {"files": _listed(directory)})


def check_manifest(directory: Path) -> int:
    """Check that a directory has exactly the listed files, unchanged; returns how many.

    CheckpointError names the first that differs.
    """
    if (manifest := _parsed(directory / MANIFEST_FILE)) is None:
        raise CheckpointError(f"{directory / MANIFEST_FILE} is missing, or lists no files")
    expected = manifest["files"]
    actual = _listed(directory)
    _check_equal(directory, {name: [expected.get(name)] for name in {*actual, *expected}}, actual)
    return len(actual)


def check_description(directory: Path) -> None:
    """Check what stands beside the weights; a directory without a manifest is not checked.

    Few bytes are read, so that every command can do it. CheckpointError names the first file
    that differs, and the way on.
    """
    recorded = (read_manifest(directory) or {"files": {}})["files"]
    for name in DESCRIPTION_FILES:
        expected = recorded.get(name)
        if expected is not None and expected != _entry_or_none(directory / name):
            raise CheckpointError(f"{_changed(directory / name)}; {_way_on(directory, expected)}")


def _way_on(directory: Path, expected: Entry) -> str:
    """How to undo the change of a file, or to keep it."""
    keep = f"if it was changed on purpose, {_without(directory)}"
    for copy in sorted(directory.glob(f"{RESUME_FOLDER}/step-*/*.json"), reverse=True):
        if entry_of(copy) == expected:
            target = typed(directory / copy.name)
            return f"to undo that, cp {typed(copy)} {target}; {keep}"
    return f"copy it again; {keep}"


def check_published(directory: Path) -> int | None:
    """Check the files of a model directory; returns how many, None if no hash is recorded.

    A run has them in its manifest; in the hub's cache the names of the files are their hashes.
    CheckpointError names the first file that differs.
    """
    if manifest := read_manifest(directory):
        expected = {name: [entry] for name, entry in manifest["files"].items()}
        if WEIGHTS_FILE in expected and manifest.get("replaced"):
            expected[WEIGHTS_FILE].append(manifest["replaced"])
        actual = {
            name: entry_of(directory / name) for name in expected if (directory / name).is_file()
        }
        _check_equal(directory, expected, actual)
        return len(actual)
    named = [file for file in weight_files(directory) if _SHA256.fullmatch(file.resolve().name)]
    for file in named:
        if sha256_of(file) != file.resolve().name:
            raise CheckpointError(f"{file} differs from the hub's file (its sha256 is another)")
    return len(named) or None


def unrecorded(directory: Path) -> list[str]:
    """The files of a model directory that its manifest does not list, so nothing proves them."""
    listed = (read_manifest(directory) or {"files": MODEL_FILES})["files"]
    return [name for name in MODEL_FILES if name not in listed and (directory / name).is_file()]


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """The manifest of a directory; None where there is none, or one of another program.

    CheckpointError, with the way on, where it is damaged.
    """
    try:
        return _parsed(directory / MANIFEST_FILE)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; copy it again, or {_without(directory)}") from None


def _parsed(file: Path) -> dict[str, Any] | None:
    """The content; None where there is none, or one of another program."""
    document = read_small_json(file) if file.is_file() else {}
    entries = document.get("files")
    if entries is None or isinstance(entries, list):
        return None
    if not isinstance(entries, dict):
        raise CheckpointError(f'{file} cannot be used: its "files" is not an object')
    for name, entry in entries.items():
        if Path(name).name != name or not isinstance(entry, dict):
            raise CheckpointError(
                f"{file} cannot be used: its entry {name!r:.80} is not one of a file beside it"
            )
    return document


def _without(directory: Path) -> str:
    manifest = typed(directory / MANIFEST_FILE)
    return f"remove {manifest} and all files are taken as they are"


def entry_of(file: Path) -> Entry:
    """What a manifest says about a file."""
    return {"bytes": file.stat().st_size, "sha256": sha256_of(file)}


def _entry_or_none(file: Path) -> Entry | None:
    return entry_of(file) if file.is_file() else None


def _check_equal(
    directory: Path, allowed: Mapping[str, list[Any]], actual: Mapping[str, Any]
) -> None:
    for name in sorted(allowed):
        if actual.get(name) not in allowed[name]:
            raise CheckpointError(_changed(directory / name))


def _changed(file: Path) -> str:
    return f"{file} is not what was saved: it is missing, or its size or sha256 differs"


def _listed(directory: Path) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for file in sorted(directory.iterdir()):
        if not stat.S_ISREG(file.lstat().st_mode):
            raise CheckpointError(f"{file} is not a regular file, as all files of a saved step are")
        if file.name != MANIFEST_FILE:
            entries[file.name] = entry_of(file)
    return entries
