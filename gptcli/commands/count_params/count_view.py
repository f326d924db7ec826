"""The count as tables: exact, or as the chapter keeps its score, and why names differ."""

from dataclasses import asdict, dataclass

from gptcli.accounting.parameters import (
    BUFFERS,
    Row,
    count_totals,
    parameter_rows,
)
from gptcli.commands.count_params.request import Request
from gptcli.commands.view.tables import Amount, Cell, Change, Share, Sheet, rounded
from gptcli.config.model import ModelConfig

_FACTORS = "shape x heads x layers"
_TOTALS = {
    "exact": ("exact", "as built"),
    "tied": ("tied", "the unembedding is the token embedding"),
    "untied": ("untied", "an unembedding of its own"),
    "non_embedding": ("non-embedding", "blocks and final norm"),
    "weights_only": ("weights only", "untied matrices without positions"),
}


@dataclass(frozen=True)
class Counted:
    """A model to show, the name it goes by here, and how it is counted."""

    name: str
    config: ModelConfig
    accounting: str

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of the chosen accounting."""
        if self.accounting != "3b1b":
            return parameter_rows(self.config)
        from gptcli.accounting.scorekeeping import chapter_rows

        return chapter_rows(self.config)

    @property
    def total(self) -> int:
        """The sum of the rows."""
        return sum(row.params for row in self.rows)


def counted_by(request: Request) -> Counted:
    """The count that the request asks for."""
    return Counted(request.source.name, request.source.config, request.accounting)


def count_sheets(counted: Counted) -> list[Sheet]:
    """The rows and what belongs to them: totals, or the chapter's figures."""
    if counted.accounting == "3b1b":
        return [chapter_sheet(counted), _spoken_sheet(counted), _reconciliation_sheet(counted)]
    return [rows_sheet(counted), _totals_sheet(counted.config)]


def rows_sheet(counted: Counted) -> Sheet:
    """One line per kind of matrix: shape, copies, parameters, share."""
    total = counted.total
    rows: list[tuple[Cell, ...]] = [
        (row.name, row.shape, row.copies, row.params, Share(row.params / total))
        for row in counted.rows
    ]
    columns = ("matrix", "shape", "copies", "params", "share")
    return Sheet(headline(counted), columns, tuple(rows), spare=("copies", "shape", "share"))


def chapter_sheet(counted: Counted) -> Sheet:
    """The chapter's scorekeeping, each product written out as it is spoken."""
    total = counted.total
    rows: list[tuple[Cell, ...]] = [
        (row.name, _product(row, counted.config), row.params, Share(row.params / total))
        for row in counted.rows
    ]
    rows.append(("total", "weights alone, untied", total, Share(1.0)))
    columns = ("matrix", _FACTORS, "params", "share")
    return Sheet(headline(counted), columns, tuple(rows), spare=(_FACTORS,))


def explanation_sheet() -> Sheet:
    """The sizes that GPT-2 is known by."""
    from gptcli.accounting.explanation import names_of_gpt2

    rows = tuple((f"{name.params / 1e6:.0f}M", name.params, name.why) for name in names_of_gpt2())
    title = "Why 124M, 163M and 117M are all called GPT-2"
    return Sheet(title, ("called", "params", "what is counted"), rows)


def headline(counted: Counted) -> str:
    """The model's shape in a line."""
    c = counted.config
    if not c.n_layer:
        return f"{counted.name}: no layers, width {c.n_embd:,}, vocabulary {c.vocab_size:,}"
    shared = "" if c.n_kv_head is None else f" ({c.n_kv_head:,} of keys and values)"
    return (
        f"{counted.name}: {c.n_layer:,} layers, {c.n_head:,} heads of {c.head_size:,}{shared}, "
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


def _spoken_sheet(counted: Counted) -> Sheet:
    from gptcli.accounting.scorekeeping import spoken_figures

    total = counted.total
    figures = spoken_figures(counted.config)
    rows = tuple((figure.name, figure.factors, figure.value) for figure in figures)
    title = f"on the way (all attention is {figures[-1].value / total:.1%} of {rounded(total)})"
    return Sheet(title, ("what", "product", "params"), rows, spare=("product",))


def _reconciliation_sheet(counted: Counted) -> Sheet:
    from gptcli.accounting.scorekeeping import reconciliation

    rows = tuple(
        (step.name, Change(step.change), step.total) for step in reconciliation(counted.config)
    )
    title = "from the chapter's total to the exact count"
    return Sheet(title, ("step", "change", "total"), rows, spare=("change",))


def _totals_sheet(config: ModelConfig) -> Sheet:
    totals = asdict(count_totals(config))
    rows: list[tuple[Cell, ...]] = [
        (label, totals[name], Amount(totals[name]), meaning)
        for name, (label, meaning) in _TOTALS.items()
    ]
    rows.append(("buffers", BUFFERS, Amount(BUFFERS), "stored, but no parameters"))
    columns = ("total", "params", "about", "what it is")
    return Sheet("totals", columns, tuple(rows), spare=("what it is", "about"))
