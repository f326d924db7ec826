"""What inspect-attention reads: a text, token ids, or windows of a validation split.

Notes on stderr tell what was chosen, and what of it is measured and shown.
"""

from dataclasses import dataclass
from pathlib import Path

from gptcli.commands.choices import check_unchanged, dataset_of
from gptcli.commands.inspect_attention.command import DEFAULT_SAMPLES, InspectRequest, parse_ids
from gptcli.commands.user_text import explaining_unseen, given_text
from gptcli.commands.view.terminal import note
from gptcli.config.checks import counted
from gptcli.data.dataset import Dataset
from gptcli.data.source_text import SourceText
from gptcli.data.token_split import TokenSplit
from gptcli.errors import DataError, UsageError
from gptcli.evaluation.target_windows import SampledWindows
from gptcli.generation.loaded_model import LoadedModel, check_ids_fit, check_same_tokenizer
from gptcli.inspection.excerpt import TextPart, choose_part

UNSEEN = "leave it out, or train on text that has it"
"""What to do with a character that the model has no token for."""
_DEFAULT_TOKENS = 32

Source = SourceText | Dataset | tuple[int, ...]


@dataclass(frozen=True)
class ChosenText:
    """The ids that the model reads, which part of the text they are, and further samples."""

    ids: list[int]
    part: TextPart
    more: tuple[list[int], ...] = ()


def chosen_source(request: InspectRequest, directory: Path) -> Source:
    """The text or ids to look at, or the dataset whose validation split is read.

    DataError where the text is empty or no UTF-8.
    """
    if request.ids is not None:
        return parse_ids(request.ids)
    if request.given("text", "file"):
        return given_text("--text", request.text, request.file).checked()
    try:
        dataset = Dataset.open(dataset_of(directory, request.data))
    except UsageError as error:
        raise UsageError(f"no --text or --file given, and {error}") from error
    check_unchanged(directory, dataset, request.allow_changed_data)
    return dataset


def chosen_text(loaded: LoadedModel, source: Source, request: InspectRequest) -> ChosenText:
    """The tokens that are read: the text, as far as it fits the context, or windows of a split."""
    if isinstance(source, Dataset) and request.given("data", "samples"):
        return _samples(loaded, source, request.samples or DEFAULT_SAMPLES)
    match source:
        case Dataset():
            ids = _first_of_validation(loaded, source, request)
        case SourceText():
            ids = encoded(loaded, source, request.text is not None)
        case _:
            ids = checked_ids(source, loaded)
    context = loaded.model.config.block_size
    part = choose_part(len(ids), context, request.window)
    _note_part(len(ids), context, part, request.window)
    return ChosenText(ids[part.start : part.stop], part)


def _note_part(n_tokens: int, context: int, part: TextPart, window: str | None) -> None:
    if n_tokens > context and window is None:
        note(
            f"{n_tokens:,} tokens exceed the context: only the last {context:,} are used "
            "(--window A:B shows any others)"
        )
    elif n_tokens > context:
        note(
            f"{n_tokens:,} tokens exceed the context of {context:,}: the model reads "
            f"{part.start}:{part.stop}, up to the end of the window"
        )
    if window is not None:
        first, stop = (part.start + place for place in (part.shown.first, part.shown.stop))
        note(
            f"window: tokens {first} to {stop - 1} are measured and shown; their metrics count "
            "all that they look at, also before the window"
        )


def _samples(loaded: LoadedModel, dataset: Dataset, count: int) -> ChosenText:
    """Windows of the context, spread evenly over the validation split."""
    split = checked_split(loaded, dataset)
    place = f"{dataset.directory.as_posix()}/val"
    if not split.n_targets:
        raise DataError(f"{place} is empty: give a dataset with a validation split, or --text")
    windows = SampledWindows(loaded.model.config.block_size, count)
    first, *more = [batch.ids[0].tolist() for batch in windows.batches(split, 1)]
    note(
        f"text: {counted(1 + len(more), 'window')} of {counted(len(first), 'token')}, spread "
        f"evenly over {place}; metrics are means over all, tokens and patterns are the first's"
    )
    return ChosenText(first, TextPart.whole(len(first)), tuple(more))


def checked_split(loaded: LoadedModel, dataset: Dataset) -> TokenSplit:
    """The validation split, whose tokens must be those of the model."""
    check_same_tokenizer(loaded.directory, loaded.tokenizer, dataset)
    check_ids_fit(loaded.directory, loaded.model.config.vocab_size, dataset, "val")
    return dataset.val


def _first_of_validation(
    loaded: LoadedModel, dataset: Dataset, request: InspectRequest
) -> list[int]:
    """The ids of the dataset where its tokenizer is the model's, else those of their text."""
    count = min(_DEFAULT_TOKENS, dataset.val.n_tokens)
    name = f"the first {count} tokens of {dataset.directory.as_posix()}/val"
    note(f"text: {name} (--text chooses another)")
    found = dataset.val.read(0, count)
    ids: list[int] = found.tolist()
    if loaded.tokenizer.has_identity(dataset.tokenizer.identity) and ids:
        loaded.tokenizer.check_ids(found)
        return ids
    special = dataset.tokenizer.special_tokens.values()
    text = dataset.tokenizer.decode([number for number in ids if number not in special])
    return encoded(loaded, SourceText(name, text).checked(), request.text is not None)


def encoded(loaded: LoadedModel, source: SourceText, is_prompt: bool) -> list[int]:
    """The ids of a text; an error names a character that has none, and tells what to do."""
    with explaining_unseen(source, UNSEEN, is_prompt=is_prompt, origin=loaded.directory):
        ids: list[int] = loaded.tokenizer.encode(source.text, add_special_tokens=True).tolist()
    return ids


def checked_ids(ids: tuple[int, ...], loaded: LoadedModel) -> list[int]:
    """The ids; UsageError for one that the model does not have."""
    last = loaded.model.config.vocab_size - 1
    if unknown := next((number for number in ids if number > last), None):
        raise UsageError(f"--ids {unknown} is not in this model: its ids are 0 to {last:,}")
    return list(ids)
