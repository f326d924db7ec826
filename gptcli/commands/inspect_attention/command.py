"""``gptcli inspect-attention``: what every head does on a text."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptcli.commands.legacy_options import Checkpoint, Device, Json, Out, Overwrite
from gptcli.commands.view.legacy import check_out, deliver, results
from gptcli.commands.view.terminal import note
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from gptcli.commands.inspect_attention.overview import View
    from gptcli.data.source_text import SourceText
    from gptcli.generation.loaded_model import LoadedModel
    from gptcli.inspection.capture import Recording
    from gptcli.inspection.heads import Head
    from gptcli.inspection.report import AttentionReport, Patterns

_STDIN = Path("-")
_FILE_WIDTH = 100
_DEFAULT_METRIC = "entropy"
_DEFAULT_TOKENS = 32

_Text = Annotated[
    str | None,
    typer.Option(
        "--text",
        help="The text to look at. Default: the beginning of the validation split.",
        show_default=False,
    ),
]
_File = Annotated[
    Path | None,
    typer.Option("--file", help="A file with the text; - is stdin.", show_default=False),
]
_Heads = Annotated[
    str | None,
    typer.Option(
        "--heads",
        help="Heads to show in full, such as L0.H3,L1.H0. Default: the most focused one that does "
        "not rest on the first token; with --json all.",
        show_default=False,
    ),
]
_Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="What the grid shows: entropy (default), relative_entropy, first_token, self, "
        "previous_token, mean_distance or largest_weight.",
        show_default=False,
    ),
]
_Sort = Annotated[
    str | None,
    typer.Option(
        "--sort", help="The metric that ranks the heads. Default: --metric.", show_default=False
    ),
]
_Matrices = Annotated[
    bool, typer.Option("--patterns", help="With --json: each head's whole matrix.")
]


def inspect_attention(
    checkpoint: Checkpoint = None,
    text: _Text = None,
    file: _File = None,
    heads: _Heads = None,
    metric: _Metric = None,
    sort: _Sort = None,
    patterns: _Matrices = False,
    device: Device = "auto",
    json_output: Json = False,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Show what each attention head looks at in a text, and what every row predicts.

    Layers and heads count from 0. --json holds every head, ordered by --sort if it is given.
    """
    from gptcli.commands.choices import chosen_model
    from gptcli.commands.computing import opened_model
    from gptcli.inspection.heads import parse_heads
    from gptcli.runtime.device import memory_errors

    _check_flags(metric, sort, patterns, json_output)
    check_out(out, overwrite)
    directory = chosen_model(checkpoint)
    source = _source(text, file, directory)
    loaded = opened_model(directory, device)
    if not loaded.model.config.n_layer:
        raise UsageError(f"{directory} is a table without attention: give another CHECKPOINT")
    chosen = () if heads is None else parse_heads(heads, loaded.model.config)
    with memory_errors("give a shorter text, or --device cpu"):
        seen = _look(loaded, _token_ids(loaded, source, text is not None))
        if json_output:
            deliver(_as_json(seen, chosen, sort or metric, patterns), out, overwrite)
        else:
            _show(_view(seen, chosen, metric or _DEFAULT_METRIC, sort), out, overwrite)


@dataclass(frozen=True)
class _Seen:
    """A model, what passed through it, and what that says about its heads."""

    loaded: "LoadedModel"
    recording: "Recording"
    report: "AttentionReport"

    def patterns(self, heads: Collection["Head"]) -> "Patterns":
        from gptcli.inspection.report import head_patterns

        return head_patterns(self.loaded.model, self.recording, heads)


def _look(loaded: "LoadedModel", ids: list[int]) -> _Seen:
    from gptcli.inspection.capture import record
    from gptcli.inspection.report import report_attention

    recording = record(loaded.model, ids)
    return _Seen(loaded, recording, report_attention(loaded, recording))


def _check_flags(metric: str | None, sort: str | None, patterns: bool, json_output: bool) -> None:
    from gptcli.inspection.metrics import check_metric

    if patterns and not json_output:
        raise UsageError("--patterns needs --json: in the terminal, name heads with --heads")
    for flag, name in (("--metric", metric), ("--sort", sort)):
        check_metric(flag, name or _DEFAULT_METRIC)


def _source(text: str | None, file: Path | None, directory: Path) -> "SourceText":
    """The text to look at; DataError where it is empty or no UTF-8."""
    from gptcli.data.source_text import decode_text, read_stdin, read_text

    if text is not None and file is not None:
        raise UsageError("--text and --file are two texts: leave one of them out")
    if text is not None:
        return decode_text(os.fsencode(text), "--text")
    if file is not None:
        return read_stdin() if file == _STDIN else read_text(file)
    return _validation_text(directory)


def _validation_text(directory: Path) -> "SourceText":
    """The first tokens that the model was measured on."""
    from gptcli.commands.choices import dataset_of
    from gptcli.data.dataset import Dataset
    from gptcli.data.source_text import whole_text

    try:
        dataset = Dataset.open(dataset_of(directory, None))
    except UsageError as error:
        raise UsageError(f"no --text or --file given, and {error}") from error
    count = min(_DEFAULT_TOKENS, dataset.val.n_tokens)
    name = f"the first {count} tokens of {dataset.directory.as_posix()}/val"
    note(f"text: {name} (--text gives another)")
    return whole_text(dataset.tokenizer.decode(dataset.val.read(0, count)), name)


def _token_ids(loaded: "LoadedModel", source: "SourceText", is_argument: bool) -> list[int]:
    """The last tokens of the text that fit the context, the cut said aloud."""
    from gptcli.tokenization.unseen import UnseenCharacterError, unseen_error

    try:
        ids = loaded.tokenizer.encode(source.text)
    except UnseenCharacterError as error:
        raise unseen_error(
            error,
            source.name,
            "leave it out, or train on text that has it",
            is_prompt=is_argument,
            origin=loaded.directory.as_posix(),
        ) from error
    context = loaded.model.config.block_size
    if len(ids) > context:
        note(f"{len(ids):,} tokens: only the last {context:,} fit the context and are looked at")
    kept: list[int] = ids[-context:].tolist()
    return kept


def _as_json(
    seen: _Seen, chosen: Collection["Head"], order: str | None, with_patterns: bool
) -> str:
    import json

    from gptcli.inspection.report import ranked, report_json

    heads = [head for head in seen.report.heads if not chosen or head.head in chosen]
    heads = heads if order is None else ranked(heads, order)
    patterns = seen.patterns([head.head for head in heads] if with_patterns else [])
    document = report_json(seen.report, heads, patterns)
    return json.dumps(document, ensure_ascii=False, allow_nan=False)


def _view(seen: _Seen, chosen: Collection["Head"], metric: str, sort: str | None) -> "View":
    from gptcli.commands.inspect_attention.overview import View
    from gptcli.inspection.report import most_interesting

    why = ""
    if not chosen:
        chosen = (most_interesting(seen.report.heads).head,)
        why = " (most focused that does not rest on the first token; --heads chooses)"
    return View(seen.report, seen.patterns(chosen), metric, sort or metric, why)


def _show(view: "View", out: Path | None, overwrite: bool) -> None:
    """Print the view, or write it to ``out`` without colours."""
    from rich.console import Console

    from gptcli.commands.inspect_attention.overview import draw
    from gptcli.commands.view.legacy import Page

    console = results()
    if out is not None:
        console = Console(file=StringIO(), width=_FILE_WIDTH, color_system=None)
    page = Page.of(console)
    lines = draw(view, page)
    if page.in_colour:
        for line in lines:
            console.print(line, soft_wrap=True)
    else:
        deliver("\n".join(line.plain.rstrip() for line in lines), out, overwrite)
