"""What a model costs at some context, batch and precision: the tables of count-params."""

from dataclasses import dataclass, replace

from gptcli.accounting.activations import textbook_activations
from gptcli.accounting.fit import Fit, generation_fit, training_fit
from gptcli.accounting.flops import sequence_flops, training_compute
from gptcli.accounting.kv_cache import attention_pattern, kv_cache_bytes_per_token
from gptcli.accounting.memory import generation_memory, training_memory
from gptcli.accounting.workload import Workload
from gptcli.commands.count_params.account import Account
from gptcli.commands.view.numbers import duration, rounded
from gptcli.commands.view.tables import Amount, Cell, Table
from gptcli.config.model import ModelConfig
from gptcli.config.optimizer_specs import ADAMW


@dataclass(frozen=True)
class Cost:
    """One figure: its column in CSV, its label in a table, its value and unit."""

    key: str
    label: str
    value: int
    unit: str = "B"


@dataclass(frozen=True)
class _Section:
    """Costs that are shown in one table, for each of the context lengths."""

    title: str
    costs: tuple[tuple[Cost, ...], ...]


def cost_tables(account: Account, in_full: bool) -> list[Table]:
    """Tables of all or of the usual costs, and what follows for the given limits."""
    sections = _sections(account) if in_full else [_usual(account)]
    tables = [_table(account, section) for section in sections]
    if account.train_tokens is not None:
        tables.append(_training_table(account, account.train_tokens))
    if account.gpu_mem is not None:
        tables.append(_fit_table(account, account.gpu_mem))
    return tables


def cost_figures(account: Account) -> Table:
    """All exact costs, a row per context, for --format csv."""
    costs = [_all(account.config, work) for work in account.works]
    columns = ("context", "batch", *(cost.key for cost in costs[0]))
    rows = tuple(
        (work.context, work.batch, *(cost.value for cost in line))
        for work, line in zip(account.works, costs, strict=True)
    )
    return Table(account.name, columns, rows)


def fits(account: Account, work: Workload, limit: int) -> tuple[Fit, Fit]:
    """Whether training and generation fit into ``limit`` bytes of a GPU."""
    work = replace(work, on_cpu=False)
    config = account.config
    return training_fit(config, work, limit), generation_fit(config, work, limit)


def _usual(account: Account) -> _Section:
    """The costs that are shown without flags for the workload."""
    config, work = account.config, account.works[0]
    per_token = kv_cache_bytes_per_token(config, work.value_bytes)
    cache_of_token = Cost("kv_cache_per_token", "key/value cache per token", per_token)
    weights, cache, pattern, *_ = _generation(config, work)
    costs = (weights, cache_of_token, cache, pattern, *_compute(config, work))
    return _Section(f"one sequence of {work.context:,} tokens ({work.dtype})", (costs,))


def _sections(account: Account) -> list[_Section]:
    config, works = account.config, account.works
    batch, dtype, precision = works[0].batch, works[0].dtype, works[0].precision
    rows = "one sequence" if batch == 1 else f"{batch:,} sequences"
    at = f" of {works[0].context:,} tokens" if len(works) == 1 else ""
    return [
        _Section(
            f"generation, {rows}{at}: memory, {dtype}",
            tuple(_generation(config, work) for work in works),
        ),
        _Section(
            f"training, {rows}{at}: memory, {precision} matrix products",
            tuple(_training(config, work) for work in works),
        ),
        _Section(
            f"compute, one sequence{at}: a multiply-add counts 2, a look-up 0",
            tuple(_compute(config, work) for work in works),
        ),
    ]


def _all(config: ModelConfig, work: Workload) -> tuple[Cost, ...]:
    return (*_generation(config, work), *_training(config, work), *_compute(config, work))


def _generation(config: ModelConfig, work: Workload) -> tuple[Cost, ...]:
    memory = generation_memory(config, work)
    pattern = attention_pattern(config, work.context, work.value_bytes)
    return (
        Cost("weights", "weights", memory.weights),
        Cost("kv_cache", "key/value cache", memory.kv_cache),
        Cost("pattern_per_head", "attention matrix of a head", pattern.per_head, ""),
        Cost("pattern_bytes", "attention matrices, all heads", work.batch * pattern.n_bytes),
        Cost("generation_peak", "total, attention fused", memory.peak),
    )


def _training(config: ModelConfig, work: Workload) -> tuple[Cost, ...]:
    memory, textbook = training_memory(config, work), textbook_activations(config, work)
    return (
        Cost("training_weights", "weights", memory.weights),
        Cost("gradients", "gradients", memory.gradients),
        Cost("optimizer", f"{ADAMW.name}'s moments", memory.optimizer),
        Cost("activations", "activations, this build", memory.activations),
        Cost("training_peak", "peak of a step", memory.peak),
        Cost("textbook_explicit", "textbook, 16-bit", textbook.explicit),
        Cost("textbook_fused", "  fused attention", textbook.fused),
        Cost("textbook_recomputed", "  recomputed", textbook.recomputed),
        Cost("textbook_logits", "  the logits alone", textbook.logits),
    )


def _compute(config: ModelConfig, work: Workload) -> tuple[Cost, ...]:
    flops = sequence_flops(config, work.context)
    return (
        Cost("forward_full", "forward, full", flops.forward_full, "FLOP"),
        Cost("forward_causal", "forward, causal", flops.forward_causal, "FLOP"),
        Cost("training_full", "training, full", flops.training_full, "FLOP"),
        Cost("training_causal", "training, causal", flops.training_causal, "FLOP"),
    )


def _table(account: Account, section: _Section) -> Table:
    if len(section.costs) == 1:
        exact: list[tuple[Cell, ...]] = [
            (cost.label, cost.value, Amount(cost.value, cost.unit)) for cost in section.costs[0]
        ]
        return Table(section.title, ("what", "exact", "about"), tuple(exact), spare=("exact",))
    lines: list[tuple[Cell, ...]] = [
        (same[0].label, *(Amount(cost.value, cost.unit) for cost in same))
        for same in zip(*section.costs, strict=True)
    ]
    columns = ("context", *(f"{work.context:,}" for work in account.works))
    return Table(section.title, columns, tuple(lines), folds=True)


def _training_table(account: Account, tokens: int) -> Table:
    config, context = account.config, account.works[0].context
    compute = training_compute(config, context, tokens)
    speed = account.device_flops
    counts = (
        ("6ND", compute.six_nd),
        ("exact, full", compute.full),
        ("exact, causal", compute.causal),
    )
    rows: list[tuple[Cell, ...]] = [
        (label, Amount(value, "FLOP"), *([duration(value / speed)] if speed else []))
        for label, value in counts
    ]
    at = f" at {rounded(speed, 'FLOP/s')}" if speed else ""
    title = f"to train on {rounded(tokens)} tokens, {context:,} at a time{at}"
    return Table(title, ("how", "compute", *(["time"] if speed else [])), tuple(rows))


def _fit_table(account: Account, limit: int) -> Table:
    rows = tuple(
        (f"{fit.use}, {_short(work.context)}", _verdict(fit))
        for work in account.works
        for fit in fits(account, work, limit)
    )
    title = (
        f"does it fit into {rounded(limit, 'B')} ({limit / 2**30:,.1f} GiB) of a GPU? The driver "
        "needs some of it"
    )
    return Table(title, ("use, context", "answer"), rows)


def _short(context: int) -> str:
    return f"{context // 1024}k" if context % 1024 == 0 else str(context)


def _verdict(fit: Fit) -> str:
    needs = f"needs {rounded(fit.needs, 'B')}"
    if fit.fits:
        return f"yes, {needs}; up to --batch-size {fit.largest_batch}"
    if fit.remedies:
        ways = (f"{remedy.flag} ({rounded(remedy.needs, 'B')})" for remedy in fit.remedies)
        return f"no, {needs}; {' or '.join(ways)} would"
    return f"no, {needs}; only a smaller model would: {rounded(fit.largest_model)} parameters"
