"""Replacing the weights of a run, with what its manifest says of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gptcli.checkpoint.manifest import Entry, entry_of, read_manifest
from gptcli.checkpoint.model_files import WEIGHTS_FILE
from gptcli.checkpoint.run import MANIFEST_FILE
from gptcli.checkpoint.tensors import Weights, save_weights
from gptcli.config.model import ModelConfig
from gptcli.runtime.files import write_json


def publish_weights(run: Path, weights: Weights, config: ModelConfig, step: int) -> None:
    """Replace the weights of a run by those of ``step``, and what its manifest says of them.

    The manifest is written first and lists the old and the new weights, so that a check after a
    crash in between accepts either; afterwards it lists the new ones alone. All other files keep
    the entries that they were written with.
    """
    before = read_manifest(run) or {"files": {}}
    manifest: dict[str, Any] = {}

    def announce(file: Path) -> None:
        manifest.update(files={**before["files"], WEIGHTS_FILE: entry_of(file)}, step=step)
        replaced, replaced_step = _recorded(run / WEIGHTS_FILE, before)
        both = {**manifest, "replaced": replaced, "replaced_step": replaced_step}
        write_json(run / MANIFEST_FILE, both)

    save_weights(run / WEIGHTS_FILE, weights, config, announce=announce)
    write_json(run / MANIFEST_FILE, manifest)


def _recorded(file: Path, manifest: Mapping[str, Any]) -> tuple[Entry | None, int | None]:
    """What the manifest says about the weights there, and their step.

    None for others, which nothing vouches for. After a crash it lists two.
    """
    entry = entry_of(file) if file.is_file() else None
    if entry is not None and entry == manifest["files"].get(file.name):
        return entry, manifest.get("step")
    if entry is not None and entry == manifest.get("replaced"):
        return entry, manifest.get("replaced_step")
    return None, None
