"""What ``eval`` measures: a model, and a split of a dataset or a raw text to predict."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gptcli.config.checks import check_whole
from gptcli.errors import CheckpointError, DataError, UsageError

if TYPE_CHECKING:
    from gptcli.data.target_text import TextLength
    from gptcli.data.text_tokens import TextTokens
    from gptcli.data.token_split import TokenSplit
    from gptcli.evaluation.evaluation_pass import EvaluationPass
    from gptcli.evaluation.target_windows import StridedWindows, Windowing
    from gptcli.generation.loaded_model import LoadedModel
    from gptcli.runtime.world import World

_STDIN = Path("-")


@dataclass(frozen=True)
class Wanted:
    """What the flags say of the text and of the windows that it is seen in."""

    data: Path | None
    split: str
    text: Path | None
    stride: int | None


@dataclass(frozen=True)
class Subject:
    """A model and the tokens that it is to predict, in windows ``stride`` apart."""

    loaded: "LoadedModel"
    tokens: "TokenSplit | TextTokens"
    data: str
    split: str | None
    stride: int
    quantize: str | None = None

    @property
    def name(self) -> str:
        """The model, in words."""
        directory = self.loaded.directory.as_posix()
        return directory if self.quantize is None else f"{directory} ({self.quantize})"

    @property
    def context(self) -> int:
        """Tokens in a window."""
        return self.loaded.model.config.block_size

    @property
    def place(self) -> str:
        """Where the tokens are from, in words."""
        return self.data if self.split is None else f"{self.data}, {self.split} split"

    def text_size(self) -> "TextLength | None":
        """The text that the targets stand for, where it is known."""
        from gptcli.data.target_text import target_text

        try:
            return target_text(self.tokens, self.loaded.tokenizer)
        except DataError as error:
            raise DataError(f"{self.data}: {error}") from None

    def reading(self, n_tokens: int | None = None) -> "StridedWindows":
        """The windows over all of the tokens, or over the first ``n_tokens``."""
        from gptcli.evaluation.target_windows import StridedWindows

        return StridedWindows(self.context, self.stride, n_tokens or self.tokens.n_tokens)

    @contextmanager
    def walking(
        self, world: "World", route: "Windowing", n_targets: int
    ) -> "Iterator[EvaluationPass]":
        """The model's walk along a route with ``n_targets``, its progress shown."""
        from gptcli.commands.view.progress import progress
        from gptcli.evaluation.evaluation_pass import EvaluationPass
        from gptcli.runtime.device import memory_errors

        loaded = self.loaded
        with (
            memory_errors("try --device cpu"),
            progress("evaluating", n_targets, "tokens") as advance,
        ):
            yield EvaluationPass(loaded.model, self.tokens, loaded.device, route, world, advance)


def opened_subject(checkpoint: Path | None, wanted: Wanted, device: str) -> Subject:
    """Open model and text; the errors name the way out."""
    from gptcli.commands.choices import chosen_model
    from gptcli.commands.computing import opened_model

    if wanted.text is not None and wanted.data is not None:
        raise UsageError("--text and --data are two texts: leave one of them out")
    directory = chosen_model(checkpoint)
    if wanted.text is not None:
        subject = _of_text(opened_model(directory, device), wanted.text)
    else:
        subject = _of_dataset(directory, device, wanted)
    if not subject.tokens.n_targets:
        raise DataError(f"{subject.place}: there is no token to predict: give more text")
    return _with_stride(subject, wanted.stride)


def _of_dataset(directory: Path, device: str, wanted: Wanted) -> Subject:
    from gptcli.commands.choices import dataset_of
    from gptcli.commands.computing import opened_model
    from gptcli.data.dataset import Dataset
    from gptcli.generation.loaded_model import check_same_tokenizer

    dataset = Dataset.open(dataset_of(directory, wanted.data))
    tokens = dataset.split(wanted.split)
    loaded = opened_model(directory, device)
    check_same_tokenizer(loaded.directory, loaded.tokenizer, dataset)
    context = loaded.model.config.block_size
    return Subject(loaded, tokens, dataset.directory.as_posix(), wanted.split, context)


def _of_text(loaded: "LoadedModel", path: Path) -> Subject:
    from gptcli.data.source_text import read_stdin, read_text
    from gptcli.data.text_tokens import TextTokens
    from gptcli.tokenization.unseen import UnseenCharacterError, unseen_error

    source = read_stdin() if path == _STDIN else read_text(path)
    try:
        tokens = TextTokens.of(source, loaded.tokenizer)
    except UnseenCharacterError as error:
        raise unseen_error(
            error,
            source.name,
            "leave it out, or train on text that has it",
            is_prompt=False,
            origin=loaded.directory.as_posix(),
        ) from error
    return Subject(loaded, tokens, source.name, None, loaded.model.config.block_size)


def _with_stride(subject: Subject, stride: int | None) -> Subject:
    if stride is None:
        return subject
    check_whole("stride", stride, 1)
    if stride > subject.context:
        raise UsageError(
            f"--stride {stride} leaves out tokens: it must be at most the context, "
            f"{subject.context}"
        )
    return replace(subject, stride=stride)


def quantized_subject(subject: Subject, quantize: str) -> Subject:
    """The same tokens for the same model with coarser weights."""
    from gptcli.commands.computing import opened_model

    loaded = opened_model(subject.loaded.directory, subject.loaded.device, quantize=quantize)
    return replace(subject, loaded=loaded, quantize=quantize)


def other_subject(subject: Subject, checkpoint: Path, stride: int | None) -> Subject:
    """The same tokens for another model, which must have the same tokenizer."""
    from gptcli.commands.choices import chosen_model
    from gptcli.commands.computing import opened_model

    directory = chosen_model(checkpoint)
    loaded = opened_model(directory, subject.loaded.device)
    if loaded.tokenizer.identity != subject.loaded.tokenizer.identity:
        raise CheckpointError(
            f"{directory} has another tokenizer than {subject.loaded.directory}, so their losses "
            "are of different tokens: compare the bits per byte of `gptcli eval --text FILE`"
        )
    other = replace(subject, loaded=loaded, stride=loaded.model.config.block_size)
    return _with_stride(other, stride)
