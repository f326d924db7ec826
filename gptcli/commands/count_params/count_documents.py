"""The JSON documents of count-params; integers are written in full."""

from dataclasses import asdict, replace
from typing import Any

from gptcli.accounting.activations import textbook_activations
from gptcli.accounting.explanation import names_of_gpt2
from gptcli.accounting.flops import sequence_flops, training_compute
from gptcli.accounting.kv_cache import attention_pattern, kv_cache_bytes_per_token
from gptcli.accounting.memory import generation_memory, training_memory
from gptcli.accounting.parameters import BUFFERS, count_totals, exact_count
from gptcli.accounting.scorekeeping import reconciliation, spoken_figures
from gptcli.accounting.workload import Workload
from gptcli.commands.count_params.account import Account
from gptcli.commands.count_params.cost_tables import fits
from gptcli.config.model import ModelConfig
from gptcli.families.registry import PRESETS

Document = dict[str, Any]
PARAMS_SCHEMA = "gptcli.params/1"


def count_document(
    account: Account, explains: bool = False, verified: int | None = None
) -> Document:
    """One model's rows, totals and costs."""
    config, total = account.config, account.total
    document: Document = {
        "model": account.name,
        "config": config.whole(),
        "accounting": account.accounting,
        "rows": [
            {**asdict(row), "params": row.params, "share": round(row.params / total, 6)}
            for row in account.rows
        ],
        "totals": asdict(count_totals(config)),
        "buffers": BUFFERS,
        **_costs(account),
    }
    if explains:
        document["explanation"] = [asdict(name) for name in names_of_gpt2()]
    if account.accounting == "3b1b":
        document["scorekeeping"] = _scorekeeping(account)
    if verified is not None:
        document["verified_rows"] = verified
    return document


def diff_document(a: Account, b: Account) -> Document:
    """Two models' documents and, row by row, b minus a."""
    rows_a, rows_b = ({row.name: row.params for row in one.rows} for one in (a, b))
    totals_a, totals_b = (asdict(count_totals(one.config)) for one in (a, b))
    return {
        "models": [{"schema": PARAMS_SCHEMA, **count_document(one)} for one in (a, b)],
        "rows": {name: rows_b.get(name, 0) - rows_a.get(name, 0) for name in {**rows_a, **rows_b}},
        "totals": {name: totals_b[name] - totals_a[name] for name in totals_a},
    }


def presets_document() -> Document:
    """Every preset with its configuration and exact count."""
    return {
        "presets": [
            {
                "name": name,
                "about": preset.about,
                "measured": None if preset.measured is None else asdict(preset.measured),
                "config": asdict(preset.model),
                "params": exact_count(preset.model),
            }
            for name, preset in PRESETS.items()
        ],
    }


def _costs(account: Account) -> Document:
    config, work = account.config, account.works[0]
    own = replace(work, context=config.block_size)
    document: Document = {
        "memory": _memory(config, own),
        "flops": _flops(config, own),
        "by_context": [_by_context(account, one) for one in account.works],
    }
    if account.source.stored is not None:
        document["checkpoint"] = asdict(account.source.stored)
    if account.train_tokens is not None:
        compute = training_compute(config, work.context, account.train_tokens)
        document["training_compute"] = _with_seconds(asdict(compute), account.device_flops)
    return document


def _with_seconds(compute: Document, speed: int | None) -> Document:
    if speed is None:
        return compute
    kinds = ("six_nd", "full", "causal")
    seconds = {kind: round(compute[kind] / speed) for kind in kinds}
    return {**compute, "device_flops": speed, "seconds": seconds}


def _memory(config: ModelConfig, work: Workload) -> Document:
    generation = generation_memory(config, work)
    return {
        "context": work.context,
        "batch": work.batch,
        "dtype": work.dtype,
        "precision": work.precision,
        "weights": generation.weights,
        "kv_cache_per_token": kv_cache_bytes_per_token(config, work.value_bytes),
        "generation": {**asdict(generation), "peak": generation.peak},
        "training": asdict(training_memory(config, work)),
        "activations": {
            "textbook": asdict(textbook_activations(config, work)),
            "this_build": training_memory(config, work).activations,
        },
    }


def _flops(config: ModelConfig, work: Workload) -> Document:
    flops = sequence_flops(config, work.context)
    return {
        "convention": "one sequence; 2 a multiply-add, matrix products alone, look-ups 0",
        **asdict(flops),
        "training_full": flops.training_full,
        "training_causal": flops.training_causal,
    }


def _by_context(account: Account, work: Workload) -> Document:
    config = account.config
    pattern = attention_pattern(config, work.context, work.value_bytes)
    document = {
        "context": work.context,
        "attention_pattern": {
            "per_head": pattern.per_head,
            "all_heads": pattern.all_heads,
            "bytes": pattern.n_bytes,
        },
        "kv_cache_bytes": generation_memory(config, work).kv_cache,
        "memory": _memory(config, work),
        "flops": _flops(config, work),
    }
    if account.gpu_mem is not None:
        found = fits(account, work, account.gpu_mem)
        document["fit"] = [{**asdict(fit), "fits": fit.fits} for fit in found]
    return document


def _scorekeeping(account: Account) -> Document:
    return {
        "total": account.total,
        "spoken": [asdict(figure) for figure in spoken_figures(account.config)],
        "reconciliation": [asdict(step) for step in reconciliation(account.config)],
    }
