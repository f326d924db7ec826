"""Which one thing is asked for, and the passes over the model that it needs."""

from collections.abc import Iterator
from dataclasses import replace

from gptcli.checkpoint.find import fetch_model, named_model
from gptcli.commands.choices import fetching
from gptcli.commands.computing import opened_model
from gptcli.commands.inspect_attention.attention_document import SCHEMA, attention_document
from gptcli.commands.inspect_attention.chosen_text import ChosenText, encoded
from gptcli.commands.inspect_attention.command import InspectRequest
from gptcli.commands.inspect_attention.figures.figure import draw_figure
from gptcli.commands.inspect_attention.figures.panels import (
    COMPARED,
    comparison_figure,
    look_of,
)
from gptcli.commands.inspect_attention.views.comparison_view import (
    LETTERS,
    SideBySide,
    comparison_focus,
)
from gptcli.commands.inspect_attention.views.focus import Focus
from gptcli.commands.inspect_attention.views.groups_view import GroupsOf, groups_focus
from gptcli.commands.inspect_attention.views.pair_view import ShownPair, pair_focus
from gptcli.commands.inspect_attention.views.residual_view import residual_focus
from gptcli.commands.inspect_attention.views.row_view import row_focus
from gptcli.commands.user_text import given_text
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.drawing import quoted
from gptcli.commands.view.terminal import note
from gptcli.errors import DataError, UsageError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.capture import Recording, attention_modules, record
from gptcli.inspection.excerpt import TextPart
from gptcli.inspection.groups import are_characters, head_groups
from gptcli.inspection.heads import Head
from gptcli.inspection.pair import pair_steps
from gptcli.inspection.readings import Reading, check_comparable, compare
from gptcli.inspection.report import most_interesting, ranked, report_attention
from gptcli.inspection.token_row import TokenRow, common_word, token_row
from gptcli.inspection.vectors import Vectors
from gptcli.model.gpt import GPT

STRONGEST = "strongest"
_QUICK = 1024  # tokens whose groups are summed up in the overview, too


def focused_answer(
    request: InspectRequest, loaded: LoadedModel, text: ChosenText, chosen: tuple[Head, ...]
) -> Answer:
    """What is asked for in place of the overview; in JSON beside it."""
    name = model_name(loaded) if request.compare_checkpoint else request.text or "the text"
    reading = _reading(name, loaded, text.ids, text.part.start)
    focus = _focus(request, reading, chosen)

    def document() -> Document:
        ranking = ranked(reading.report.heads, request.ranking_metric)
        heads = [head for head in ranking if not chosen or head.head in chosen]
        found = attention_document(reading.report, heads, {}, loaded.step)
        return {**found, focus.key: focus.document()}

    return Answer(
        SCHEMA,
        document,
        tables=focus.tables,
        csv=focus.csv,
        drawing=focus.drawing,
        picture=focus.picture,
    )


def _focus(request: InspectRequest, reading: Reading, chosen: tuple[Head, ...]) -> Focus:
    if request.pair is not None:
        heads = chosen or (most_interesting(reading.report.heads).head,)
        return pair_focus([_shown_pair(reading, head, request.pair) for head in heads])
    if request.residual is not None:
        reading.loaded.check_writes()
        return residual_focus(_readings(request, reading), request.residual, chosen)
    if request.groups:
        return groups_focus(_groups(reading), chosen)
    if request.compare or request.compare_checkpoint:
        return _comparison(request, reading, chosen)
    assert request.token is not None, "nothing is asked for"
    row = _row(reading, request.token)
    token = reading.report.tokens[row.query]
    if request.token not in (str(token.i), token.text):
        note(f"token: {token.i} {quoted(token.text)}, the last of {quoted(request.token)}")
    return row_focus(row, reading.report.tokens, chosen)


def groups_of(model: GPT, recording: Recording, texts: list[str]) -> GroupsOf | None:
    """The links between groups of characters in every head; None where tokens are longer.

    None also for a part of a text, and for a long one: that takes a while, and was not asked for.
    """
    if not are_characters(texts) or not 1 < len(texts) == len(recording.ids) <= _QUICK:
        return None
    return head_groups(model, recording, texts)


def _groups(reading: Reading) -> GroupsOf:
    """The links of every head; an error for tokens of several characters, or one token."""
    if not are_characters(reading.texts):
        long = next(text for text in reading.texts if len(text) != 1)
        raise UsageError(
            f"--groups is for tokens of one character, and {long!r} is one token of this text: "
            "choose a model of characters, or leave it out"
        )
    if len(reading.texts) == 1:
        raise DataError("--groups: one token has no others to look at: give more text")
    return head_groups(reading.loaded.model, reading.recording, reading.texts)


def _comparison(request: InspectRequest, reading: Reading, chosen: tuple[Head, ...]) -> Focus:
    readings = _readings(request, reading)
    word = request.token
    if word is None and request.compare:
        word = common_word([one.texts for one in readings])
    rows = () if word is None else tuple(_row(one, word) for one in readings)
    look = look_of(request)
    look.check_size(max(len(one.texts) for one in readings))
    shown = SideBySide(compare(readings), request.ranking_metric, chosen, word, rows)
    heads = chosen or [change.head for change in shown.ranked[:COMPARED]]
    return replace(
        comparison_focus(shown),
        picture=lambda: draw_figure(comparison_figure(shown.comparison, heads, look)),
    )


def _readings(request: InspectRequest, first: Reading) -> list[Reading]:
    most, name = len(LETTERS) - 1, "--compare" if request.compare else "--compare-checkpoint"
    if (times := len(request.compare or request.compare_checkpoint or ())) > most:
        raise UsageError(f"{name} is given {times} times: give it at most {most} times")
    return [first, *_others(request, first)]


def _others(request: InspectRequest, first: Reading) -> Iterator[Reading]:
    """The other texts read by the same model, or the same text read by the other models."""
    for text in request.compare or ():
        source = given_text("--compare", text, None).checked()
        yield _reading(text, first.loaded, encoded(first.loaded, source, is_prompt=True))
    for path in request.compare_checkpoint or ():
        loaded = opened_model(named_model(path, fetching(fetch_model)), request.device)
        check_comparable(first.loaded, loaded)
        ids = first.recording.ids.tolist()
        yield _reading(model_name(loaded), loaded, ids, first.report.first)


def _reading(name: str, loaded: LoadedModel, ids: list[int], start: int = 0) -> Reading:
    """What the model reads of ids that are the text's from token ``start`` on."""
    context = loaded.model.config.block_size
    if len(ids) > context:
        note(f"{name}: {len(ids):,} tokens exceed the context: only the last {context:,} are used")
    recording = record(loaded.model, ids[-context:])
    read = TextPart.whole(len(recording.ids), start + len(ids) - len(recording.ids))
    return Reading(name, loaded, recording, report_attention(loaded, recording, read))


def model_name(loaded: LoadedModel) -> str:
    """A model by its directory, and the step of its weights where that is known."""
    step = "" if loaded.step is None else f", {loaded.step}"
    return f"{loaded.directory.as_posix()}{step}"


def _row(reading: Reading, wanted: str) -> TokenRow:
    return token_row(reading.loaded.model, reading.recording, reading.find(wanted))


def _shown_pair(reading: Reading, head: Head, pair: str) -> ShownPair:
    query, key = _places(reading, head, pair)
    attention = attention_modules(reading.loaded.model)[head.layer]
    layer = reading.recording.layers[head.layer]
    row = Vectors.of(attention, layer).of_heads([head.index]).masked(slice(query, query + 1))
    steps = pair_steps(attention, layer, head, query, key)
    return ShownPair(steps, row[0, 0].tolist(), reading.report.tokens)


def _places(reading: Reading, head: Head, pair: str) -> tuple[int, int]:
    """The query and the key: numbers or texts of tokens, or the head's strongest link."""
    if pair == STRONGEST:
        links = next(one.links for one in reading.report.heads if one.head == head)
        return (links[0].query, links[0].key) if links else (0, 0)
    query, colon, key = pair.rpartition(":")
    if not colon:
        raise UsageError(
            f"--pair {pair!r} is no pair: give QUERY:KEY, numbers or texts of two tokens, "
            f"or {STRONGEST}"
        )
    return reading.find(query, "--pair"), reading.find(key, "--pair")
