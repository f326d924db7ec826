"""The count as tables: the exact one, the chapter's, and an explanation of GPT-2's names."""

from dataclasses import asdict

from gptcli.accounting.explanation import names_of_gpt2
from gptcli.accounting.parameters import (
    BUFFERS,
    Row,
    count_totals,
)
from gptcli.accounting.scorekeeping import reconciliation, spoken_figures
from gptcli.commands.count_params.account import Account
from gptcli.commands.view.numbers import rounded
from gptcli.commands.view.tables import Amount, Cell, Change, Share, Table
from gptcli.config.checks import counted
from gptcli.config.model import ModelConfig

_FACTORS = "shape x heads x layers"
# The chapter's names of the two matrices into which a value map is factored.
_IN_THE_CHAPTER = {"value": "value down", "output": "value up"}
_TOTALS = {
    "exact": ("exact", "as built"),
    "tied": ("tied", "the same matrix as the token embedding"),
    "untied": ("untied", "separate from the embedding"),
    "non_embedding": ("non-embedding", "blocks and final norm"),
    "weights_only": ("weights only", "matrices only, untied, without positions"),
}


def count_tables(account: Account) -> list[Table]:
    """The rows, followed by totals or by the chapter's figures."""
    if account.accounting == "3b1b":
        return [chapter_table(account), _spoken_table(account), _reconciliation_table(account)]
    return [rows_table(account), _totals_table(account.config)]


def rows_table(account: Account) -> Table:
    """One line per kind of matrix: shape, copies, parameters, share."""
    total = account.total
    rows: list[tuple[Cell, ...]] = [
        (row.name, row.shape, row.copies, row.params, Share(row.params / total))
        for row in account.rows
    ]
    columns = ("matrix", "shape", "copies", "params", "share")
    return Table(headline(account), columns, tuple(rows), spare=("copies", "shape", "share"))


def chapter_table(account: Account) -> Table:
    """The chapter's rows, with each product written out."""
    total = account.total
    rows: list[tuple[Cell, ...]] = [
        (
            _IN_THE_CHAPTER.get(row.name, row.name),
            _product(row, account.config),
            row.params,
            Share(row.params / total),
        )
        for row in account.rows
    ]
    rows.append(("total", "weights only, untied", total, Share(1.0)))
    columns = ("matrix", _FACTORS, "params", "share")
    return Table(headline(account), columns, tuple(rows), spare=(_FACTORS,))


def explanation_table() -> Table:
    """The sizes by which GPT-2 is known."""
    rows = tuple((f"{name.params / 1e6:.0f}M", name.params, name.why) for name in names_of_gpt2())
    title = "Why 124M, 163M and 117M are all called GPT-2"
    return Table(title, ("called", "params", "what is counted"), rows)


def headline(account: Account) -> str:
    """The model's shape in a line."""
    c = account.config
    if not c.n_layer:
        return f"{account.name}: no layers, width {c.n_embd:,}, vocabulary {c.vocab_size:,}"
    shared = "" if c.n_kv_head is None else f" ({c.n_kv_head:,} of keys and values)"
    return (
        f"{account.name}: {counted(c.n_layer, 'layer')}, "
        f"{counted(c.n_head, 'head')} of {c.head_size:,}{shared}, "
        f"width {c.n_embd:,}, context {c.block_size:,}, vocabulary {c.vocab_size:,}"
    )


def _product(row: Row, config: ModelConfig) -> str:
    factors = [f"{size:,}" for size in row.shape]
    layers = config.n_layer
    if row.name in ("key", "query", "value", "output"):
        factors += [f"{row.copies // layers:,}", f"{layers:,}"]
    elif row.name.endswith("_projection"):
        factors += [f"{layers:,}"]
    return " x ".join(factors)


def _spoken_table(account: Account) -> Table:
    total = account.total
    figures = spoken_figures(account.config)
    rows = tuple((figure.name, figure.factors, figure.value) for figure in figures)
    title = f"sub-totals (all attention is {figures[-1].value / total:.1%} of {rounded(total)})"
    return Table(title, ("what", "product", "params"), rows, spare=("product",))


def _reconciliation_table(account: Account) -> Table:
    rows = tuple(
        (step.name, Change(step.change), step.total) for step in reconciliation(account.config)
    )
    title = "from the chapter's total to the exact count"
    return Table(title, ("step", "change", "total"), rows, spare=("change",))


def _totals_table(config: ModelConfig) -> Table:
    totals = asdict(count_totals(config))
    rows: list[tuple[Cell, ...]] = [
        (label, totals[name], Amount(totals[name]), meaning)
        for name, (label, meaning) in _TOTALS.items()
    ]
    rows.append(("buffers", BUFFERS, Amount(BUFFERS), "stored, but not parameters"))
    columns = ("total", "params", "about", "what it is")
    return Table("totals", columns, tuple(rows), spare=("what it is", "about"))
