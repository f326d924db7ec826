"""What ``eval`` measures: a model, and a split of a dataset or a raw text to predict."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gptcli.checkpoint.weights_step import step_document
from gptcli.commands.choices import check_unchanged, chosen_model, dataset_of
from gptcli.commands.computing import opened_model
from gptcli.commands.eval.command import EvalRequest
from gptcli.commands.user_text import explaining_unseen, given_text
from gptcli.commands.view.progress_bar import progress
from gptcli.commands.view.tables import Cell, Figure
from gptcli.data.dataset import Dataset
from gptcli.data.source_text import SourceText
from gptcli.data.target_text import TextLength, lost_share, target_text
from gptcli.data.text_tokens import TextTokens
from gptcli.data.token_split import TokenSplit
from gptcli.errors import CheckpointError, DataError, UsageError
from gptcli.evaluation.evaluation_pass import EvaluationPass
from gptcli.evaluation.target_windows import StridedWindows, Windowing
from gptcli.generation.loaded_model import LoadedModel, check_ids_fit, check_same_tokenizer
from gptcli.runtime.device import memory_errors
from gptcli.runtime.escapes import typed
from gptcli.runtime.world import ALONE, World
from gptcli.tokenization.text_loss import MOST_LOST

_LARGEST_TEXT = 100_000_000  # bytes that are evaluated without a dataset


@dataclass(frozen=True)
class Subject:
    """A model and the tokens that it is to predict, in windows ``stride`` apart."""

    loaded: LoadedModel
    tokens: TokenSplit | TextTokens
    data: str
    split: str | None
    stride: int
    dataset: Dataset | None = None
    quantize: str | None = None

    @property
    def name(self) -> str:
        """The model's directory, and its quantization if there is one."""
        directory = self.loaded.directory.as_posix()
        return directory if self.quantize is None else f"{directory} ({self.quantize})"

    @property
    def context(self) -> int:
        """Tokens in a window."""
        return self.loaded.model.config.block_size

    @property
    def place(self) -> str:
        """Where the tokens are from, for messages."""
        return self.data if self.split is None else f"{self.data}, {self.split} split"

    @property
    def conditions(self) -> dict[str, Any]:
        """What must be equal for two figures to be comparable, as documents list it."""
        return {
            "model": self.loaded.directory.as_posix(),
            **step_document(self.loaded.step),
            "data": self.data,
            "split": self.split,
            "masked": self.tokens.is_masked,
            "context": self.context,
            "stride": self.stride,
        }

    def text_size(self) -> TextLength | None:
        """The length of the text that the targets encode; None where it is unknown."""
        try:
            return target_text(self.tokens, self.loaded.tokenizer)
        except DataError as error:
            raise DataError(f"{self.data}: {error}") from None

    @cached_property
    def lost_share(self) -> float:
        """The share of the text's characters that its tokens do not restore."""
        return lost_share(self.tokens, self.loaded.tokenizer)

    def compared_size(self) -> TextLength | None:
        """The length of the text for figures per byte; None where much of the text is lost.

        What is lost need not be predicted, so that such a figure would be better the less of the
        text is left.
        """
        return self.text_size() if self.lost_share <= MOST_LOST else None

    def condition_rows(self, size: TextLength | None) -> Iterator[tuple[str, Cell]]:
        """The conditions as a table lists them, for a text of ``size``."""
        n_bytes = "unknown" if size is None else f"{size.n_bytes:,}"
        only, begin = "", ""
        if self.tokens.is_masked:
            only = ": only completions count"
            begin = ", in windows that start where documents do"
        overlap = "windows do not overlap"
        if self.stride != self.context:
            overlap = (
                f"each token is predicted from at least {self.context - self.stride:,} before it"
            )
        n_targets = self.tokens.n_targets
        yield "tokens", Figure(n_targets, f"{n_targets:,} ({n_bytes} bytes){only}")
        yield "context", Figure(self.context, f"{self.context:,} tokens{begin}")
        yield "stride", Figure(self.stride, f"{self.stride:,} tokens: {overlap}")
        yield "data", self.place

    def windows(self, n_tokens: int | None = None) -> StridedWindows:
        """The windows over all of the tokens, or over the first ``n_tokens``."""
        return StridedWindows(self.context, self.stride, n_tokens or self.tokens.n_tokens)

    @contextmanager
    def evaluating(
        self, world: World = ALONE, windows: Windowing | None = None, n_targets: int | None = None
    ) -> Iterator[EvaluationPass]:
        """Prepare a pass of the model over ``windows`` (default: all) and show its progress.

        ``n_targets`` is the number of targets in them (default: all).
        """
        loaded, total = self.loaded, n_targets or self.tokens.n_targets
        cause = f"windows of {self.context:,} tokens"
        with (
            memory_errors(cause, "free some memory", loaded.device),
            progress("evaluating", total, "tokens") as advance,
        ):
            yield EvaluationPass(
                loaded.model, self.tokens, loaded.device, windows or self.windows(), world, advance
            )


def opened_subject(request: EvalRequest, device: str) -> Subject:
    """Open the model and the text that are asked for."""
    directory = chosen_model(request.checkpoint, "gptcli eval --text")
    if request.given("text", "file"):
        remedy = (
            f"gptcli prepare FILE --tokenizer {typed(directory)}, then give its dataset by --data"
        )
        source = given_text("--text", request.text, request.file, _LARGEST_TEXT, remedy).checked()
        loaded = opened_model(directory, device).check_writes()
        subject = _of_text(loaded, source, request.text is not None)
    else:
        subject = _of_dataset(directory, device, request)
    if not subject.tokens.n_targets:
        remedy = "add --split train" if subject.split == "val" else "give more text"
        raise DataError(f"{subject.place}: there is nothing to predict: {remedy}")
    return _with_stride(subject, request.stride)


def _of_dataset(directory: Path, device: str, request: EvalRequest) -> Subject:
    dataset = Dataset.open(dataset_of(directory, request.data))
    tokens = dataset.split(request.split)
    loaded = opened_model(directory, device)
    check_same_tokenizer(loaded.directory, loaded.tokenizer, dataset)
    check_ids_fit(loaded.directory, loaded.model.config.vocab_size, dataset, request.split)
    check_unchanged(loaded.directory, dataset, request.allow_changed_data)
    place, context = dataset.directory.as_posix(), loaded.model.config.block_size
    return Subject(loaded, tokens, place, request.split, context, dataset)


def _of_text(loaded: LoadedModel, source: SourceText, is_argument: bool) -> Subject:
    remedy = "leave it out, or train on text that has it"
    with explaining_unseen(source, remedy, is_prompt=is_argument, origin=loaded.directory):
        tokens = TextTokens.of(source, loaded.tokenizer)
    return Subject(loaded, tokens, source.name, None, loaded.model.config.block_size)


def _with_stride(subject: Subject, stride: int | None) -> Subject:
    if stride is None:
        return subject
    if stride > subject.context:
        raise UsageError(
            f"--stride {stride} would skip tokens: it must be at most the context, "
            f"{subject.context}"
        )
    return replace(subject, stride=stride)


def quantized_subject(subject: Subject, quantize: str) -> Subject:
    """Open the same model with quantized weights, for the same tokens."""
    loaded = opened_model(subject.loaded.directory, subject.loaded.device, quantize=quantize)
    return replace(subject, loaded=loaded, quantize=quantize)


def other_subject(subject: Subject, checkpoint: Path, request: EvalRequest) -> Subject:
    """Open another model, which must have the same tokenizer, for the same tokens."""
    directory = chosen_model(checkpoint)
    loaded = opened_model(directory, subject.loaded.device)
    if loaded.tokenizer.identity != subject.loaded.tokenizer.identity:
        raise CheckpointError(
            f"{directory} has a different tokenizer from {subject.loaded.directory}'s, so their "
            "losses per token cannot be compared: compare the bits per byte of `gptcli eval --file "
            "FILE`"
        )
    if subject.dataset is not None:
        check_unchanged(directory, subject.dataset, request.allow_changed_data)
    other = replace(subject, loaded=loaded, stride=loaded.model.config.block_size)
    return _with_stride(other, request.stride)


def check_loss(subject: Subject, loss: float) -> None:
    """Raise CheckpointError where a loss is not finite."""
    if not math.isfinite(loss):
        raise CheckpointError(
            f"{subject.loaded.directory}: the loss is {loss}: its weights are damaged, "
            "use an earlier checkpoint"
        )
