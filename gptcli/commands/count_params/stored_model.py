"""A model on disk or on the hub: its configuration, and its weights by their headers."""

import difflib
import math
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gptcli.checkpoint.config_json import omission_notes, read_model_config
from gptcli.checkpoint.consistent_reading import read_together
from gptcli.checkpoint.find import fetch_description, named_model, newest_run
from gptcli.checkpoint.layout import FLOATING, file_layout, find_stored
from gptcli.checkpoint.manifest import check_description
from gptcli.checkpoint.model_files import weight_names
from gptcli.checkpoint.weight_file import opened_weights
from gptcli.checkpoint.weights_step import step_document, weights_step
from gptcli.commands.choices import fetching
from gptcli.commands.view.terminal import note
from gptcli.config.model import ModelConfig
from gptcli.errors import UsageError
from gptcli.families.registry import PRESETS


@dataclass(frozen=True)
class StoredWeights:
    """What the headers of a checkpoint's files say; ``dtype`` is that of most numbers.

    ``step`` and ``max_iters`` are those of a run, None for a model from elsewhere.
    """

    files: int
    tensors: int
    bytes: int
    dtype: str
    step: int | None
    max_iters: int | None


def stored_model(directory: Path | None) -> tuple[Path, ModelConfig, StoredWeights | None]:
    """A model directory (None: the newest run), its configuration, and what its files hold."""
    if directory is None:
        directory = newest_run()
        note(f"newest run: {directory}")
    near = difflib.get_close_matches(directory.as_posix(), PRESETS, n=1)
    hint = f"; did you mean --preset {near[0]}?" if near else ""
    directory = named_model(directory, fetching(fetch_description, hint))
    config, stored = read_together(directory, partial(_config_and_weights, directory))
    for text in omission_notes(directory):
        note(text)
    if stored is None:
        note(f"{directory} holds no weights: counted from its config.json only")
    else:
        _note_weights(config, stored)
    return directory, config, stored


def _config_and_weights(directory: Path) -> tuple[ModelConfig, StoredWeights | None]:
    """Read from headers alone what the weights' files hold; None where there are none.

    CheckpointError where they do not fit the model in config.json.
    """
    check_description(directory)
    config = read_model_config(directory)
    try:
        weight_names(directory)
    except UsageError:
        return config, None
    with opened_weights(directory) as files:
        stored = find_stored(files, config)
    found = [tensor for copies in stored.values() for tensor in copies]
    sizes = Counter[str]()
    for tensor in found:
        sizes[tensor.info.dtype] += tensor.info.n_bytes
    dtype = FLOATING[sizes.most_common(1)[0][0]]
    step = step_document(weights_step(directory))
    return config, StoredWeights(len(files), len(found), sizes.total(), dtype, **step)


def _note_weights(config: ModelConfig, stored: StoredWeights) -> None:
    zeros = sum(math.prod(entry.shape) for entry in file_layout(config) if entry.absent)
    extra = (
        f", {zeros:,} of their numbers are zeros of biases that it does not have" if zeros else ""
    )
    if stored.step is not None:
        extra += f", of step {stored.step:,} of {stored.max_iters:,}"
    note(f"weights: {stored.tensors:,} tensors of {stored.dtype} in {stored.bytes:,} bytes{extra}")
