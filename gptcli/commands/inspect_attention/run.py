"""Runs ``inspect-attention``: a model reads a text, and every head is measured."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gptcli.checkpoint.weights_step import WeightsStep, step_document
from gptcli.commands.choices import check_unchanged, chosen_model, dataset_of
from gptcli.commands.computing import opened_model
from gptcli.commands.inspect_attention.command import InspectRequest
from gptcli.commands.inspect_attention.figure import draw_figure
from gptcli.commands.inspect_attention.figure_panels import MOST_CELLS, MULTIPLES, heads_figure
from gptcli.commands.inspect_attention.overview import Overview, draw_overview, ranking_table
from gptcli.commands.inspect_attention.pattern_axes import Look
from gptcli.commands.user_text import explaining_unseen, given_text
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.terminal import note
from gptcli.data.dataset import Dataset
from gptcli.data.source_text import SourceText
from gptcli.errors import UsageError
from gptcli.families.registry import model_type_of
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.capture import record
from gptcli.inspection.excerpt import Excerpt
from gptcli.inspection.head_kinds import kind_of
from gptcli.inspection.heads import Head, parse_heads
from gptcli.inspection.patterns import Patterns, head_patterns
from gptcli.inspection.report import (
    AttentionReport,
    HeadReport,
    most_interesting,
    ranked,
    report_attention,
)
from gptcli.runtime.device import memory_errors

if TYPE_CHECKING:  # slow, and needed for figures alone
    from matplotlib.figure import Figure

_DEFAULT_TOKENS = 32
_REMEDY = "give a shorter text"


def run(request: InspectRequest) -> Answer:
    """Measure all heads; the overview is drawn when the answer is written."""
    directory = chosen_model(request.checkpoint, "gptcli inspect-attention --text")
    source = _source(request, directory)
    loaded = opened_model(directory, request.device)
    config = loaded.model.config
    if not config.n_layer:
        raise UsageError(
            f"{directory} is a bigram table without attention: give another CHECKPOINT"
        )
    chosen = () if request.heads is None else parse_heads(request.heads, config)
    ids = _token_ids(loaded, source, request)
    full = partial(memory_errors, f"the attention over {len(ids):,} tokens", _REMEDY, loaded.device)
    _look(request).check_size(len(ids))
    with full():
        answer = _answer(request, loaded, ids, chosen)
    answer.resources.enter_context(full())
    return answer


def _answer(
    request: InspectRequest, loaded: LoadedModel, ids: list[int], chosen: tuple[Head, ...]
) -> Answer:
    recording = record(loaded.model, ids)
    report = report_attention(loaded, recording)
    patterns_of = partial(head_patterns, loaded.model, recording)
    shown = [head for head in report.heads if not chosen or head.head in chosen]
    ranking = ranked(shown, request.ranking_metric)

    def document() -> Document:
        heads = ranking if request.is_ranked else shown
        return attention_document(
            report, heads, patterns_of(_names(heads) if request.patterns else ()), loaded.step
        )

    def drawing(canvas: Canvas) -> Iterator[Text | str]:
        in_full = chosen or (most_interesting(report.heads).head,)
        why = " (the most focused one that is not an attention sink; --heads selects others)"
        overview = Overview(
            report,
            patterns_of(in_full),
            request.grid_metric,
            request.ranking_metric,
            "" if chosen else why,
        )
        return draw_overview(overview, canvas)

    def picture() -> "Figure":
        look, metric = _look(request), request.grid_metric
        heads = chosen or _names(ranked(report.heads, request.ranking_metric)[:MULTIPLES])
        shown = Excerpt(0, len(ids)).pooled(MOST_CELLS)
        patterns = head_patterns(loaded.model, recording, heads, look.stage, shown)
        return draw_figure(heads_figure(report, patterns, look, metric, with_all_heads=not chosen))

    return Answer(
        "gptcli.attention/1",
        document,
        tables=(ranking_table(ranking, len(report.heads), request.ranking_metric),),
        drawing=drawing,
        picture=picture,
    )


def _look(request: InspectRequest) -> Look:
    return Look(keys_down=request.keys == "down", in_dots=request.dots)


def attention_document(
    report: AttentionReport,
    heads: Collection[HeadReport],
    patterns: Patterns,
    step: WeightsStep | None = None,
) -> Document:
    """The document of these heads, with the matrices in ``patterns``."""
    return {
        "model": {
            "directory": report.directory.as_posix(),
            **step_document(step),
            "model_type": model_type_of(report.config),
            **report.config.whole(),
        },
        "tokens": [{"i": i, **asdict(token)} for i, token in enumerate(report.tokens)],
        "heads": [_head_document(head, patterns) for head in heads],
        "check": asdict(report.check),
    }


def _head_document(report: HeadReport, patterns: Patterns) -> dict[str, Any]:
    document = {
        "layer": report.head.layer,
        "head": report.head.index,
        "kind": kind_of(report.metrics),
        "metrics": {name: asdict(measured) for name, measured in report.metrics.items()},
        "top": [[link.query, link.key, _short(link.weight)] for link in report.links],
    }
    if (pattern := patterns.get(report.head)) is not None:
        document["pattern"] = [[_short(weight) for weight in row] for row in pattern.tolist()]
    return document


def _short(weight: float) -> float:
    """A float32 rounded to the digits that it has."""
    return float(f"{weight:.9g}")


def _names(heads: Iterable[HeadReport]) -> list[Head]:
    return [head.head for head in heads]


def _source(request: InspectRequest, directory: Path) -> SourceText | Dataset:
    """The text to look at, or the dataset whose validation split begins with it.

    DataError where the text is empty or no UTF-8.
    """
    if request.given("text", "file"):
        return given_text("--text", request.text, request.file).checked()
    try:
        dataset = Dataset.open(dataset_of(directory, None))
    except UsageError as error:
        raise UsageError(f"no --text or --file given, and {error}") from error
    check_unchanged(directory, dataset, request.allow_changed_data)
    return dataset


def _token_ids(
    loaded: LoadedModel, source: SourceText | Dataset, request: InspectRequest
) -> list[int]:
    """The last tokens of the text that fit the context; a note tells if there are more."""
    if isinstance(source, Dataset):
        ids = _first_of_validation(loaded, source, request)
    else:
        ids = _encoded(loaded, source, request)
    context = loaded.model.config.block_size
    if len(ids) > context:
        note(f"{len(ids):,} tokens exceed the context: only the last {context:,} are used")
    return ids[-context:]


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
    return _encoded(loaded, SourceText(name, text).checked(), request)


def _encoded(loaded: LoadedModel, source: SourceText, request: InspectRequest) -> list[int]:
    remedy, is_prompt = "leave it out, or train on text that has it", request.text is not None
    with explaining_unseen(source, remedy, is_prompt=is_prompt, origin=loaded.directory):
        ids: list[int] = loaded.tokenizer.encode(source.text, add_special_tokens=True).tolist()
    return ids
