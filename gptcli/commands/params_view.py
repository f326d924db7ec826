"""What count-params shows, as tables: the count, the chapter's scorekeeping, costs, comparisons."""

from dataclasses import asdict, dataclass

from gptcli.accounting.cache import HALF_PRECISION, attention_pattern, kv_cache_bytes_per_token
from gptcli.accounting.flops import sequence_flops
from gptcli.accounting.parameters import (
    BUFFERS,
    Row,
    count_totals,
    exact_count,
    parameter_rows,
)
from gptcli.commands.sheets import Amount, Cell, Change, Share, Sheet, rounded
from gptcli.config.model import ModelConfig
from gptcli.config.presets import PRESETS

ACCOUNTINGS = ("exact", "3b1b")

_FACTORS = "shape x heads x layers"
_TOTALS = {
    "exact": "exact, as built",
    "tied": "tied: the unembedding is the token embedding",
    "untied": "untied: an unembedding of its own",
    "non_embedding": "non-embedding: blocks and final norm",
    "weights_only": "weights only: untied matrices without positions",
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


def count_sheets(counted: Counted) -> list[Sheet]:
    """The rows and what belongs to them: totals and costs, or the chapter's figures."""
    if counted.accounting == "3b1b":
        return [chapter_sheet(counted), _spoken_sheet(counted), _reconciliation_sheet(counted)]
    return [rows_sheet(counted), _totals_sheet(counted.config), _costs_sheet(counted.config)]


def rows_sheet(counted: Counted) -> Sheet:
    """One line per kind of matrix: shape, copies, parameters, share."""
    total = counted.total
    rows: list[tuple[Cell, ...]] = [
        (row.name, row.shape, row.copies, row.params, Share(row.params / total))
        for row in counted.rows
    ]
    columns = ("matrix", "shape", "copies", "params", "share")
    return Sheet(_headline(counted), columns, tuple(rows), spare=("copies", "shape"))


def chapter_sheet(counted: Counted) -> Sheet:
    """The chapter's scorekeeping, each product written out as it is spoken."""
    total = counted.total
    rows: list[tuple[Cell, ...]] = [
        (row.name, _product(row, counted.config), row.params, Share(row.params / total))
        for row in counted.rows
    ]
    rows.append(("total", "weights alone, untied", total, Share(1.0)))
    columns = ("matrix", _FACTORS, "params", "share")
    return Sheet(_headline(counted), columns, tuple(rows), spare=(_FACTORS,))


def context_sheet(counted: Counted, contexts: tuple[int, ...]) -> Sheet:
    """What one sequence costs at each context length."""
    rows = tuple(_context_row(counted.config, context) for context in contexts)
    columns = (
        "context",
        "pattern/head",
        "all heads",
        "cache",
        "forward",
        "causal",
        "training",
    )
    title = f"{counted.name}: one sequence by context (16-bit cache)"
    return Sheet(title, columns, rows, spare=("all heads", "causal"))


def explanation_sheet() -> Sheet:
    """The sizes that GPT-2 is known by."""
    from gptcli.accounting.explanation import names_of_gpt2

    rows = tuple((f"{name.params / 1e6:.0f}M", name.params, name.why) for name in names_of_gpt2())
    title = "Why 124M, 163M and 117M are all called GPT-2"
    return Sheet(title, ("called", "params", "what is counted"), rows)


def diff_sheets(a: Counted, b: Counted) -> list[Sheet]:
    """Where two models differ: configuration, rows, totals."""
    columns = (a.name, b.name)
    first, second = a.config.whole(), b.config.whole()
    settings = tuple(
        (name, str(first[name]), str(second[name])) for name in first if first[name] != second[name]
    )
    return [
        *([Sheet("settings that differ", ("setting", *columns), settings)] if settings else []),
        diff_sheet(a, b),
        _difference(
            "totals", columns, asdict(count_totals(a.config)), asdict(count_totals(b.config))
        ),
    ]


def diff_sheet(a: Counted, b: Counted) -> Sheet:
    """Parameters of both, row by row."""
    rows_a, rows_b = ({row.name: row.params for row in counted.rows} for counted in (a, b))
    return _difference("parameters", (a.name, b.name), rows_a, rows_b)


def presets_sheet() -> Sheet:
    """Every model that has a name."""
    rows = tuple(
        (
            name,
            preset.model.n_layer,
            preset.model.n_head,
            preset.model.n_embd,
            preset.model.block_size,
            exact_count(preset.model),
            preset.about,
        )
        for name, preset in PRESETS.items()
    )
    columns = ("preset", "layers", "heads", "width", "context", "params", "about")
    return Sheet("presets", columns, rows, spare=("heads", "context", "width"))


def _headline(counted: Counted) -> str:
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
    return Sheet(title, ("step", "change", "total"), rows)


def _totals_sheet(config: ModelConfig) -> Sheet:
    totals = asdict(count_totals(config))
    rows: list[tuple[Cell, ...]] = [
        (label, totals[name], Amount(totals[name])) for name, label in _TOTALS.items()
    ]
    rows.append(("buffers (no parameters)", BUFFERS, Amount(BUFFERS)))
    return Sheet("totals", ("total", "params", "about"), tuple(rows), spare=("about",))


def _costs_sheet(config: ModelConfig) -> Sheet:
    context = config.block_size
    flops = sequence_flops(config, context)
    cache = kv_cache_bytes_per_token(config)
    costs = (
        ("weights in 16 bit", exact_count(config) * HALF_PRECISION, "B"),
        ("key/value cache of a token, 16 bit", cache, "B"),
        ("key/value cache of the context", cache * context, "B"),
        ("attention pattern of a head", attention_pattern(config, context).per_head, ""),
        ("forward, full attention", flops.forward_full, "FLOP"),
        ("forward, causal attention", flops.forward_causal, "FLOP"),
        ("training, full attention", flops.training_full, "FLOP"),
    )
    rows = tuple((label, value, Amount(value, unit)) for label, value, unit in costs)
    title = f"one sequence of {context:,} tokens"
    return Sheet(title, ("what", "exact", "about"), rows, spare=("exact",))


def _context_row(config: ModelConfig, context: int) -> tuple[Cell, ...]:
    pattern, flops = attention_pattern(config, context), sequence_flops(config, context)
    return (
        context,
        Amount(pattern.per_head),
        Amount(pattern.all_heads),
        Amount(kv_cache_bytes_per_token(config) * context, "B"),
        Amount(flops.forward_full, "FLOP"),
        Amount(flops.forward_causal, "FLOP"),
        Amount(flops.training_full, "FLOP"),
    )


def _difference(title: str, names: tuple[str, str], a: dict[str, int], b: dict[str, int]) -> Sheet:
    keys = list(a) + [key for key in b if key not in a]
    rows: list[tuple[Cell, ...]] = [
        (key, a.get(key, 0), b.get(key, 0), Change(b.get(key, 0) - a.get(key, 0))) for key in keys
    ]
    return Sheet(title, ("row", *names, "difference"), tuple(rows))
