"""Which model count-params is about: a preset, a checkpoint or a config.json, then resized."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gptcli.commands.view.terminal import note
from gptcli.config.model import ModelConfig
from gptcli.errors import UsageError
from gptcli.families.registry import PRESETS, check_choices, family_of, find_preset


@dataclass(frozen=True)
class StoredWeights:
    """What the headers of a checkpoint's files say; ``dtype`` that of most of its numbers."""

    files: int
    tensors: int
    bytes: int
    dtype: str


@dataclass(frozen=True)
class ModelSource:
    """A configuration, the name it goes by in what is printed, and what its files hold."""

    name: str
    config: ModelConfig
    stored: StoredWeights | None = None


def choose_source(
    preset: str | None, checkpoint: Path | None, model_config: Path | None, explain: bool
) -> ModelSource:
    """The one model that the flags name; with none of them the newest run.

    ``explain`` alone is about GPT-2.
    """
    if preset is not None or (explain and model_config is None and checkpoint is None):
        return _preset(preset or "gpt2")
    if model_config is not None:
        return _file(model_config)
    return _checkpoint(checkpoint)


def named_source(name: str) -> ModelSource:
    """A model by one word: a preset, or the path of a run or a config.json."""
    path = Path(name)
    if name not in PRESETS and path.exists():
        return _file(path)
    try:
        return _preset(name)
    except UsageError as error:
        raise UsageError(f"--diff: there is no path {name}, and {error}") from None


def resize(source: ModelSource, sizes: Mapping[str, Any]) -> ModelSource:
    """The same model with those sizes; it stays in its family."""
    if not sizes:
        return source
    check_choices(family_of(source.config), sizes)
    return ModelSource(f"{source.name}, changed", replace(source.config, **sizes))


def _preset(name: str) -> ModelSource:
    preset = find_preset(name)
    note(f"{name}: {preset.about}")
    return ModelSource(name, preset.model)


def _file(path: Path) -> ModelSource:
    from gptcli.checkpoint.config_json import read_model_config

    return ModelSource(str(path), read_model_config(path))


def _checkpoint(directory: Path | None) -> ModelSource:
    from gptcli.checkpoint.find import fetch_description, named_model, newest_run
    from gptcli.commands.choices import fetching

    if directory is None:
        directory = newest_run()
        note(f"newest run: {directory}")
    directory = named_model(directory, fetching(fetch_description))
    return _with_weights(_file(directory), directory)


def _with_weights(source: ModelSource, directory: Path) -> ModelSource:
    """The source with what its files hold, read from their headers alone.

    CheckpointError where that is another model than config.json describes.
    """
    from gptcli.checkpoint.layout import file_layout
    from gptcli.checkpoint.model_files import weight_files
    from gptcli.checkpoint.stored import FLOATING, find_stored

    try:
        n_files = len(weight_files(directory))
    except UsageError:
        note(f"{directory} holds no weights: counted from its config.json alone")
        return source
    found = [
        tensor for copies in find_stored(directory, source.config).values() for tensor in copies
    ]
    sizes = Counter[str]()
    for tensor in found:
        sizes[tensor.info.dtype] += tensor.info.n_bytes
    dtype = FLOATING[sizes.most_common(1)[0][0]]
    stored = StoredWeights(n_files, len(found), sizes.total(), dtype)
    zeros = sum(math.prod(entry.shape) for entry in file_layout(source.config) if entry.absent)
    extra = (
        f", {zeros:,} of their numbers the zeros of biases that the model lacks" if zeros else ""
    )
    note(f"weights: {stored.tensors:,} tensors of {dtype} in {stored.bytes:,} bytes{extra}")
    return replace(source, stored=stored)
