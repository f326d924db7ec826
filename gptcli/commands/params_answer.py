"""The three questions count-params answers, each as tables and as a JSON document."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptcli.commands import params_view
from gptcli.commands.params_source import Source
from gptcli.commands.params_view import Counted
from gptcli.commands.sheets import Sheet, to_csv, to_markdown, to_text
from gptcli.commands.terminal import deliver

_FILE_WIDTH = 100


@dataclass(frozen=True)
class Answer:
    """``csv`` is the one sheet that --format csv holds."""

    sheets: list[Sheet]
    csv: Sheet
    document: Callable[[], dict[str, Any]]


def presets_answer() -> Answer:
    """All presets."""

    def document() -> dict[str, Any]:
        from gptcli.commands.params_json import presets_document

        return presets_document()

    sheet = params_view.presets_sheet()
    return Answer([sheet], sheet, document)


def diff_answer(a: Source, b: Source, accounting: str) -> Answer:
    """Two models compared."""
    first, second = (Counted(source.name, source.config, accounting) for source in (a, b))

    def document() -> dict[str, Any]:
        from gptcli.commands.params_json import diff_document

        return diff_document(first, second)

    sheets = params_view.diff_sheets(first, second)
    return Answer(sheets, params_view.diff_sheet(first, second), document)


def count_answer(
    source: Source, accounting: str, contexts: tuple[int, ...], explain: bool
) -> Answer:
    """One model counted."""
    counted = Counted(source.name, source.config, accounting)

    def document() -> dict[str, Any]:
        from gptcli.commands.params_json import count_document

        return count_document(counted, contexts, explain)

    sheets = params_view.count_sheets(counted)
    table = params_view.rows_sheet(counted)
    if contexts:
        table = params_view.context_sheet(counted, contexts)
        sheets.append(table)
    if explain:
        sheets.append(params_view.explanation_sheet())
    return Answer(sheets, table, document)


def give(answer: Answer, form: str, out: Path | None, overwrite: bool) -> None:
    """Print the answer in that format, or write it to ``out``."""
    deliver(_as_text(answer, form, for_terminal=out is None), out, overwrite)


def _as_text(answer: Answer, form: str, for_terminal: bool) -> str:
    if form == "json":
        return json.dumps(answer.document(), indent=2, ensure_ascii=False)
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
