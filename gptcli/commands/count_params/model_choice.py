"""Choosing the model to count: a preset, a checkpoint or a config.json, possibly resized."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptcli.checkpoint.config_json import omission_notes, read_model_config
from gptcli.commands.view.terminal import note
from gptcli.config.model import ModelConfig
from gptcli.errors import UsageError
from gptcli.families.registry import PRESETS, check_choices, family_of, find_preset

if TYPE_CHECKING:  # it imports numpy, which presets do without
    from gptcli.commands.count_params.stored_model import StoredWeights


@dataclass(frozen=True)
class ModelSource:
    """A configuration, its name in the output, and what its files hold, if there are any."""

    name: str
    config: ModelConfig
    stored: "StoredWeights | None" = None


def choose_source(
    preset: str | None, checkpoint: Path | None, model_config: Path | None, explain: bool
) -> ModelSource:
    """The model that the flags name; without any the newest run, or GPT-2 for ``explain``."""
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
    """The same model with other sizes; UsageError where its family does not allow them."""
    if not sizes:
        return source
    check_choices(family_of(source.config), sizes)
    return ModelSource(f"{source.name}, changed", replace(source.config, **sizes))


def _preset(name: str) -> ModelSource:
    preset = find_preset(name)
    note(f"{name}: {preset.summary}")
    return ModelSource(name, preset.model)


def _file(path: Path) -> ModelSource:
    if path.is_dir():
        from gptcli.checkpoint.manifest import check_description  # noqa: PLC0415  slow

        check_description(path)
    config = read_model_config(path)
    for text in omission_notes(path):
        note(text)
    return ModelSource(str(path), config)


def _checkpoint(directory: Path | None) -> ModelSource:
    from gptcli.commands.count_params.stored_model import stored_model  # noqa: PLC0415  numpy

    directory, config, stored = stored_model(directory)
    return ModelSource(str(directory), config, stored)
