"""The three questions count-params answers, each as tables and as a JSON document."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptcli.accounting.parameters import Row, parameter_rows
from gptcli.commands.count_params import count_view as params_view
from gptcli.commands.count_params.comparison import diff_sheet, diff_sheets, presets_sheet
from gptcli.commands.count_params.costs import cost_sheets, cost_table
from gptcli.commands.count_params.count_view import counted_by
from gptcli.commands.count_params.request import Request, plain_request
from gptcli.commands.count_params.source import Source
from gptcli.commands.view.tables import Sheet, to_csv, to_markdown, to_text
from gptcli.commands.view.terminal import deliver, note
from gptcli.errors import CheckpointError, UsageError

_FILE_WIDTH = 100


@dataclass(frozen=True)
class Answer:
    """``csv`` is the one sheet that --format csv holds; there is a ``picture`` of one model."""

    sheets: list[Sheet]
    csv: Sheet
    document: Callable[[], dict[str, Any]]
    picture: Callable[[], str] | None = None


def presets_answer() -> Answer:
    """All presets."""

    def document() -> dict[str, Any]:
        from gptcli.commands.count_params.documents import presets_document

        return presets_document()

    sheet = presets_sheet()
    return Answer([sheet], sheet, document)


def diff_answer(a: Source, b: Source, accounting: str) -> Answer:
    """Two models compared."""
    requests = [plain_request(source, accounting) for source in (a, b)]
    first, second = map(counted_by, requests)

    def document() -> dict[str, Any]:
        from gptcli.commands.count_params.documents import diff_document

        return diff_document(*requests)

    return Answer(diff_sheets(first, second), diff_sheet(first, second), document)


def count_answer(request: Request) -> Answer:
    """One model counted, and what it costs where that was asked or fits beside the count."""
    source = request.source
    counted = counted_by(request)
    verified = _verify(source) if request.verify else None

    def document() -> dict[str, Any]:
        from gptcli.commands.count_params.documents import count_document

        return count_document(request, verified)

    def picture() -> str:
        from gptcli.commands.count_params.picture import draw_rows

        return draw_rows(counted)

    sheets = params_view.count_sheets(counted)
    if request.asks_costs or request.accounting == "exact":
        sheets += cost_sheets(request)
    if request.explain:
        sheets.append(params_view.explanation_sheet())
    table = cost_table(request) if request.asks_costs else params_view.rows_sheet(counted)
    return Answer(sheets, table, document, picture)


def _verify(source: Source) -> int:
    """Rows that agree with the model as torch builds it; CheckpointError where one does not."""
    from gptcli.inspection.built import disagreements

    rows = parameter_rows(source.config)
    for wrong in disagreements(source.config, rows):
        raise CheckpointError(
            f"{source.name}: {wrong.name} was counted as {_said(wrong.counted)} and built as "
            f"{_said(wrong.built)}: please report it"
        )
    note(f"verified: all {len(rows)} rows agree with the model that torch builds")
    return len(rows)


def _said(row: Row | None) -> str:
    return "nothing" if row is None else f"{row.copies:,} of {list(row.shape)}"


def give(answer: Answer, form: str, out: Path | None, overwrite: bool) -> None:
    """Print the answer in that format, or write it to ``out``."""
    deliver(_as_text(answer, form, for_terminal=out is None), out, overwrite)


def _as_text(answer: Answer, form: str, for_terminal: bool) -> str:
    if form == "json":
        return json.dumps(answer.document(), indent=2, ensure_ascii=False)
    if form == "svg":
        if answer.picture is None:
            raise UsageError("--format svg draws one model: try --preset gpt2, or --format md")
        return answer.picture()
    if form == "csv":
        return to_csv(answer.csv)
    if form == "md":
        return to_markdown(answer.sheets)
    width = shutil.get_terminal_size().columns if for_terminal else _FILE_WIDTH
    return to_text(answer.sheets, width, colour=for_terminal and _wants_colour())


def _wants_colour() -> bool:
    # https://no-color.org: any value but the empty one.
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
