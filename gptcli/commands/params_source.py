"""Which model count-params is about: a preset, a checkpoint or a config.json, then resized."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from gptcli.accounting.parameters import exact_count
from gptcli.commands.terminal import note
from gptcli.config.families import check_choices
from gptcli.config.model import ModelConfig
from gptcli.config.presets import PRESETS, find_preset
from gptcli.errors import CheckpointError, UsageError

LONGEST_CONTEXT = 10**9
_SUFFIXES = {"k": 1024, "m": 1024**2}


@dataclass(frozen=True)
class Source:
    """A configuration, and the name it goes by in what is printed."""

    name: str
    config: ModelConfig


def choose_source(
    preset: str | None, checkpoint: Path | None, model_config: Path | None, explain: bool
) -> Source:
    """The one model that the flags name; with none of them the newest run.

    ``explain`` alone is about GPT-2. Raises UsageError where two are named.
    """
    given = {"--preset": preset, "--checkpoint": checkpoint, "--model-config": model_config}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)} both name a model: leave out all but one")
    if preset is not None or (explain and not names):
        return _preset(preset or "gpt2")
    if model_config is not None:
        return _file(model_config)
    return _checkpoint(checkpoint)


def named_source(name: str) -> Source:
    """A model by one word: a preset, or the path of a run or a config.json."""
    path = Path(name)
    if name not in PRESETS and path.exists():
        return _file(path)
    try:
        return _preset(name)
    except UsageError as error:
        raise UsageError(f"--diff: there is no path {name}, and {error}") from None


def resize(source: Source, sizes: dict[str, int | bool | None]) -> Source:
    """The same model with those sizes that are not None; it stays in its family."""
    given = {name: value for name, value in sizes.items() if value is not None}
    if not given:
        return source
    check_choices(source.config.model_type, given)
    config = replace(source.config, **given)  # type: ignore[arg-type]
    return Source(f"{source.name}, resized", config)


def parse_contexts(text: str | None) -> tuple[int, ...]:
    """``1k,2k,8192`` as token counts; 1k is 1,024."""
    return tuple(_context(part.strip()) for part in text.split(",")) if text is not None else ()


def _context(text: str) -> int:
    digits, factor = text, 1
    if text[-1:].lower() in _SUFFIXES:
        digits, factor = text[:-1], _SUFFIXES[text[-1].lower()]
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
        raise UsageError(f"--context {text!r} is no number of tokens: try --context 1k,2k,8k")
    context = int(digits) * factor
    if not 1 <= context <= LONGEST_CONTEXT:
        raise UsageError(
            f"--context {text} is outside 1 to {LONGEST_CONTEXT:,} tokens: try --context 1k,2k,8k"
        )
    return context


def _preset(name: str) -> Source:
    preset = find_preset(name)
    note(f"{name}: {preset.about}")
    return Source(name, preset.model)


def _file(path: Path) -> Source:
    from gptcli.checkpoint.config_json import read_model_config

    return Source(str(path), read_model_config(path))


def _checkpoint(directory: Path | None) -> Source:
    from gptcli.checkpoint.find import named_model, newest_run
    from gptcli.checkpoint.hub_model import fetch_description
    from gptcli.commands.choices import fetching

    if directory is None:
        directory = newest_run()
        note(f"newest run: {directory}")
    directory = named_model(directory, fetching(fetch_description))
    source = _file(directory)
    _compare_with_weights(source, directory)
    return source


def _compare_with_weights(source: Source, directory: Path) -> None:
    """Say whether the weights beside config.json hold as many parameters as it describes.

    Reads the headers alone. CheckpointError where they do not.
    """
    from gptcli.checkpoint.files import weight_files
    from gptcli.checkpoint.header import read_header
    from gptcli.checkpoint.layout import canonical_name, file_layout

    try:
        files = weight_files(directory)
    except UsageError:
        note(f"{directory} holds no weights: counted from its config.json alone")
        return
    tensors = {name: info for file in files for name, info in read_header(file).items()}
    layout = file_layout(source.config)
    shapes = {canonical_name(name, source.config): info.shape for name, info in tensors.items()}
    stored = sum(math.prod(shape) for name, shape in shapes.items() if name)
    described = sum(math.prod(entry.shape) for entry in layout)
    if stored != described:
        raise CheckpointError(
            f"{directory} holds {stored:,} parameters, its config.json describes {described:,}: "
            "they are not of one model"
        )
    zeros = described - exact_count(source.config)
    extra = f", {zeros:,} of them the zeros of biases that the model lacks" if zeros else ""
    n_bytes = sum(info.n_bytes for info in tensors.values())
    note(f"weights: {len(tensors):,} tensors, {stored:,} parameters{extra}, {n_bytes:,} bytes")
