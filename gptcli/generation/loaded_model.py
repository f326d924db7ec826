"""A model directory, loaded: the GPT on its device and its tokenizer."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from gptcli.checkpoint.config_json import omission_notes, read_model_config
from gptcli.checkpoint.consistent_reading import read_together
from gptcli.checkpoint.manifest import check_description
from gptcli.checkpoint.model_files import end_ids, special_id_notes
from gptcli.checkpoint.tensors import Weights, read_weights
from gptcli.checkpoint.weight_file import opened_weights
from gptcli.checkpoint.weights_step import WeightsStep, weights_step
from gptcli.config.model import ModelConfig
from gptcli.config.training import Precision
from gptcli.data.dataset import Dataset
from gptcli.errors import CheckpointError, DataError, UsageError
from gptcli.fast.layers import use_fast_layers
from gptcli.fast.quantization import quantize
from gptcli.model.gpt import GPT
from gptcli.model.initialization import model_with
from gptcli.runtime.device import precision_dtype
from gptcli.runtime.escapes import typed
from gptcli.tokenization.loading import load_tokenizer
from gptcli.tokenization.tokenizer import Tokenizer

_BLOCK = 2**22  # tokens


def check_same_tokenizer(directory: Path, tokenizer: Tokenizer, dataset: Dataset) -> None:
    """Raise CheckpointError unless a dataset was made with a model directory's tokenizer."""
    ours, theirs = tokenizer.identity, dataset.tokenizer.identity
    if not tokenizer.has_identity(theirs):
        raise _made_otherwise(dataset, "tokenizer", theirs, directory, ours)
    check_same_template(directory, tokenizer, dataset)


def check_same_template(directory: Path, tokenizer: Tokenizer, dataset: Dataset) -> None:
    """Raise CheckpointError where a dataset's chats were written by another template."""
    ours, theirs = tokenizer.chat_template, dataset.tokenizer.chat_template
    if ours is not None and theirs is not None and ours != theirs:
        hashes = [hashlib.sha256(one.encode()).hexdigest() for one in (theirs, ours)]
        raise _made_otherwise(dataset, "chat template", hashes[0], directory, hashes[1])


def _made_otherwise(
    dataset: Dataset, what: str, theirs: str, directory: Path, ours: str
) -> CheckpointError:
    return CheckpointError(
        f"{dataset.directory} was made with another {what} ({theirs[:12]}) than "
        f"{directory} ({ours[:12]}): prepare the text with the model's own, "
        f"gptcli prepare TEXT --tokenizer {typed(directory)}"
    )


def check_ids_fit(directory: Path, vocab_size: int, dataset: Dataset, *splits: str) -> None:
    """Raise DataError where these splits have an id that a model of ``vocab_size`` lacks."""
    if dataset.vocab_size <= vocab_size:
        return
    for split in map(dataset.split, splits):
        for start in range(0, split.n_tokens, _BLOCK):
            highest = int(split.read(start, min(_BLOCK, split.n_tokens - start)).max())
            if highest >= vocab_size:
                raise DataError(
                    f"{dataset.directory} has the token {dataset.tokenizer.piece(highest)} "
                    f"({highest:,}), and {directory} has ids up to {vocab_size - 1:,}: prepare the "
                    "text with a tokenizer that has no such token, or train a new model on it, "
                    f"gptcli train --data {dataset.directory}"
                )


@dataclass(frozen=True)
class LoadedModel:
    """A GPT in eval mode on its device, and the tokenizer that it was trained with.

    ``end_ids`` are the tokens that end a text; ``step`` is that of the weights, if they are of a
    run; ``notes`` say which settings of the directory are ignored.
    """

    directory: Path
    model: GPT
    tokenizer: Tokenizer
    device: str
    end_ids: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    step: WeightsStep | None = None

    def check_writes(self) -> "LoadedModel":
        """Return the model; UsageError where it is a reward model, which predicts no tokens."""
        if self.model.config.score:
            raise UsageError(
                f"{self.directory} is a reward model: it scores answers and does not write. "
                "Give a language model here"
            )
        return self

    def quantized(self) -> "LoadedModel":
        """Return the model with int8 matrices in its blocks and its head."""
        return replace(self, model=quantize(self.model))

    def computing_in(self, precision: Precision) -> "LoadedModel":
        """Return the model with weights, cache and arithmetic of that precision."""
        return replace(self, model=self.model.to(precision_dtype(precision)))


def load_model(directory: Path, device: str) -> LoadedModel:
    """Read config, weights and tokenizer of one publication of the model.

    CheckpointError where config or tokenizer are not what was saved, or config and weights do
    not fit.
    """

    def checked() -> LoadedModel:
        check_description(directory)
        return read_model(directory, device)

    return read_together(directory, checked)


def read_model(directory: Path, device: str) -> LoadedModel:
    """Read a model from the files as they are, whether or not they are what was saved."""
    config = read_model_config(directory)
    whole = load_tokenizer(directory)
    tokenizer = whole.for_model(config.vocab_size)
    weights, step = _weights_and_step(directory, config)
    model = use_fast_layers(model_with(config, weights)).to(device)
    notes = omission_notes(directory) + special_id_notes(directory, config.vocab_size) + whole.notes
    if tokenizer is not whole:
        notes += (
            f"{directory}: the tokenizer has ids up to {whole.vocab_size - 1:,}, the model up to "
            f"{config.vocab_size - 1:,}, so the tokens above that are not used",
        )
    ends = end_ids(directory, tokenizer.vocab_size) | tokenizer.configured_end_ids
    if tokenizer.end_of_text is not None and ends.isdisjoint(tokenizer.special_tokens.values()):
        ends |= {tokenizer.end_of_text}  # none is configured, or one of another tokenizer
    return LoadedModel(directory, model.eval(), tokenizer, device, ends, notes, step)


def _weights_and_step(directory: Path, config: ModelConfig) -> tuple[Weights, WeightsStep | None]:
    """The weights, and the step of a run's; others may be published at any time."""
    while True:
        with opened_weights(directory) as files:
            step = weights_step(directory)
            if all(file.is_in_place() for file in files):
                return read_weights(files, config), step
