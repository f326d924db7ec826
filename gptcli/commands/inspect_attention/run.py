"""Runs ``inspect-attention``: a model reads a text, and every head is measured."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gptcli.commands.choices import chosen_model
from gptcli.commands.computing import opened_model
from gptcli.commands.inspect_attention.attention_document import (
    SCHEMA,
    attention_arrays,
    attention_document,
)
from gptcli.commands.inspect_attention.chosen_focus import focused_answer, groups_of
from gptcli.commands.inspect_attention.chosen_text import ChosenText, chosen_source, chosen_text
from gptcli.commands.inspect_attention.command import InspectRequest
from gptcli.commands.inspect_attention.figures.figure import draw_figure
from gptcli.commands.inspect_attention.figures.panels import (
    MOST_CELLS,
    MULTIPLES,
    heads_figure,
    look_of,
)
from gptcli.commands.inspect_attention.overview import Overview, draw_overview, ranking_table
from gptcli.commands.inspect_attention.page import PageRequest, attention_page
from gptcli.commands.inspect_attention.views.ablation_view import ablation_answer
from gptcli.commands.inspect_attention.views.embedding_view import embedding_answer
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.progress_bar import progress
from gptcli.errors import UsageError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.capture import Recording, record
from gptcli.inspection.heads import Head, parse_heads
from gptcli.inspection.patterns import Patterns, each_pattern, head_patterns
from gptcli.inspection.report import (
    HeadReport,
    by_interest,
    most_interesting,
    ranked,
    report_attention,
)
from gptcli.runtime.device import memory_errors
from gptcli.runtime.progress import Advance

if TYPE_CHECKING:  # slow, and needed for figures and arrays alone
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_REMEDY = "give a shorter text, or fewer --heads, or --window A:B"


def run(request: InspectRequest) -> Answer:
    """Measure all heads; the overview is drawn when the answer is written."""
    directory = chosen_model(request.checkpoint, "gptcli inspect-attention --text")
    source = None if request.is_textless else chosen_source(request, directory)
    loaded = opened_model(directory, request.device)
    config = loaded.model.config
    if not config.n_layer:
        raise UsageError(
            f"{directory} is a bigram table without attention: give another CHECKPOINT"
        )
    if source is None:
        return embedding_answer(request, loaded)
    if request.ablate is not None:
        loaded.check_writes()
        return ablation_answer(request, loaded, source)
    chosen = () if request.heads is None else parse_heads(request.heads, config)
    text = chosen_text(loaded, source, request)
    what = f"the attention over {len(text.ids):,} tokens"
    full = partial(memory_errors, what, _REMEDY, loaded.device)
    look_of(request).check_size(text.part.shown.n_tokens)
    with full():
        answer = (focused_answer if request.is_focused else _answer)(request, loaded, text, chosen)
    answer.resources.enter_context(full())
    return answer


def _answer(
    request: InspectRequest, loaded: LoadedModel, text: ChosenText, chosen: tuple[Head, ...]
) -> Answer:
    recording = record(loaded.model, text.ids)
    with progress("inspecting", 1 + len(text.more), "windows") as advance:
        report = report_attention(loaded, recording, text.part, _recordings(loaded, text, advance))
    stage, part = request.shown_stage, text.part.shown

    def patterns_of(heads: Collection[Head]) -> Patterns:
        return head_patterns(loaded.model, recording, heads, stage, part)

    shown = [head for head in report.heads if not chosen or head.head in chosen]
    ranking = ranked(shown, request.ranking_metric)

    def document() -> Document:
        heads = ranking if request.is_ranked else shown
        patterns = patterns_of(_names(heads) if request.patterns else ())
        return attention_document(report, heads, patterns, loaded.step, request.shown_stage)

    def arrays() -> Mapping[str, "NDArray[Any]"]:
        patterns = each_pattern(loaded.model, recording, _names(shown), stage, part)
        return attention_arrays(report, shown, patterns, stage)

    def drawing(canvas: Canvas) -> Iterator[Text | str]:
        in_full = chosen or (most_interesting(report.heads).head,)
        why = " (the most focused one that is not an attention sink; --heads selects others)"
        overview = Overview(
            report,
            patterns_of(in_full),
            request.grid_metric,
            request.ranking_metric,
            "" if chosen else why,
            request.shown_stage,
            groups_of(loaded.model, recording, [token.text for token in report.tokens]),
        )
        return draw_overview(overview, canvas)

    def picture() -> "Figure":
        look, metric = look_of(request), request.grid_metric
        heads = chosen or _names(ranked(report.heads, request.ranking_metric)[:MULTIPLES])
        cells = part.pooled(MOST_CELLS)
        patterns = head_patterns(loaded.model, recording, heads, stage, cells)
        return draw_figure(heads_figure(report, patterns, look, metric, with_all_heads=not chosen))

    def page() -> str:
        in_full = ranking if chosen or request.is_ranked else by_interest(shown)
        return attention_page(
            PageRequest(
                report,
                loaded,
                recording,
                part,
                request.grid_metric,
                _names(in_full),
                is_asked=bool(chosen),
                limit=int(request.max_html_mb * 10**6),
            )
        )

    return Answer(
        SCHEMA,
        document,
        tables=(ranking_table(ranking, len(report.heads), request.ranking_metric),),
        drawing=drawing,
        picture=picture,
        arrays=arrays,
        page=page,
    )


def _recordings(loaded: LoadedModel, text: ChosenText, advance: Advance) -> Iterator[Recording]:
    """The further samples, each recorded when it is asked for."""
    for ids in text.more:
        advance(1)
        yield record(loaded.model, ids)


def _names(heads: Iterable[HeadReport]) -> list[Head]:
    return [head.head for head in heads]
