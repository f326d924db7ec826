"""Models side by side: the differences between two, and the list of presets."""

from dataclasses import asdict

from gptcli.accounting.parameters import count_totals, exact_count
from gptcli.commands.count_params.account import Account
from gptcli.commands.view.tables import Cell, Change, Table
from gptcli.families.registry import PRESETS


def diff_tables(a: Account, b: Account) -> list[Table]:
    """Where two models differ: configuration, rows, totals."""
    columns = (a.name, b.name)
    first, second = a.config.whole(), b.config.whole()
    settings = tuple(
        (name, str(first[name]), str(second[name])) for name in first if first[name] != second[name]
    )
    return [
        *([Table("settings that differ", ("setting", *columns), settings)] if settings else []),
        diff_table(a, b),
        _difference(
            "totals", columns, asdict(count_totals(a.config)), asdict(count_totals(b.config))
        ),
    ]


def diff_table(a: Account, b: Account) -> Table:
    """Parameters of both, row by row."""
    rows_a, rows_b = ({row.name: row.params for row in account.rows} for account in (a, b))
    return _difference("parameters", (a.name, b.name), rows_a, rows_b)


def presets_table() -> Table:
    """All presets with their sizes and parameter counts."""
    rows = tuple(
        (
            name,
            preset.model.n_layer,
            preset.model.n_head,
            preset.model.n_embd,
            preset.model.block_size,
            exact_count(preset.model),
            preset.summary,
        )
        for name, preset in PRESETS.items()
    )
    columns = ("preset", "layers", "heads", "width", "context", "params", "about")
    return Table("presets", columns, rows, spare=("heads", "context", "width", "layers"))


def _difference(title: str, names: tuple[str, str], a: dict[str, int], b: dict[str, int]) -> Table:
    keys = list(a) + [key for key in b if key not in a]
    rows: list[tuple[Cell, ...]] = [
        (key, a.get(key, 0), b.get(key, 0), Change(b.get(key, 0) - a.get(key, 0))) for key in keys
    ]
    return Table(title, ("row", *names, "difference"), tuple(rows), spare=names)
