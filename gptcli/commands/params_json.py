"""What count-params prints with --json: documents with a schema, integers always numbers."""

from dataclasses import asdict
from typing import Any

from gptcli.accounting.cache import HALF_PRECISION, attention_pattern, kv_cache_bytes_per_token
from gptcli.accounting.explanation import names_of_gpt2
from gptcli.accounting.flops import sequence_flops
from gptcli.accounting.parameters import BUFFERS, count_totals, exact_count
from gptcli.accounting.scorekeeping import reconciliation, spoken_figures
from gptcli.commands.params_view import Counted
from gptcli.config.model import ModelConfig
from gptcli.config.presets import PRESETS

Document = dict[str, Any]


def count_document(counted: Counted, contexts: tuple[int, ...], explain: bool) -> Document:
    """``gptcli.params/1``: one model's rows, totals and costs."""
    config, total = counted.config, counted.total
    document: Document = {
        "schema": "gptcli.params/1",
        "model": counted.name,
        "config": config.whole(),
        "accounting": counted.accounting,
        "rows": [
            {**asdict(row), "params": row.params, "share": round(row.params / total, 6)}
            for row in counted.rows
        ],
        "totals": asdict(count_totals(config)),
        "buffers": BUFFERS,
        "memory": _memory(config),
        "flops": _flops(config, config.block_size),
        "by_context": [_by_context(config, context) for context in contexts],
    }
    if counted.accounting == "3b1b":
        document["scorekeeping"] = _scorekeeping(counted)
    if explain:
        document["explanation"] = [asdict(name) for name in names_of_gpt2()]
    return document


def diff_document(a: Counted, b: Counted) -> Document:
    """``gptcli.params-diff/1``: two models' documents and, row by row, b minus a."""
    rows_a, rows_b = ({row.name: row.params for row in counted.rows} for counted in (a, b))
    totals_a, totals_b = (asdict(count_totals(counted.config)) for counted in (a, b))
    return {
        "schema": "gptcli.params-diff/1",
        "models": [count_document(counted, (), explain=False) for counted in (a, b)],
        "rows": {name: rows_b.get(name, 0) - rows_a.get(name, 0) for name in {**rows_a, **rows_b}},
        "totals": {name: totals_b[name] - totals_a[name] for name in totals_a},
    }


def presets_document() -> Document:
    """``gptcli.presets/1``: every preset with its configuration and exact count."""
    return {
        "schema": "gptcli.presets/1",
        "presets": [
            {
                "name": name,
                "about": preset.about,
                "config": asdict(preset.model),
                "params": exact_count(preset.model),
            }
            for name, preset in PRESETS.items()
        ],
    }


def _memory(config: ModelConfig) -> Document:
    return {
        "bytes_per_value": HALF_PRECISION,
        "weights": exact_count(config) * HALF_PRECISION,
        "kv_cache_per_token": kv_cache_bytes_per_token(config),
    }


def _flops(config: ModelConfig, context: int) -> Document:
    flops = sequence_flops(config, context)
    return {
        **asdict(flops),
        "training_full": flops.training_full,
        "training_causal": flops.training_causal,
    }


def _by_context(config: ModelConfig, context: int) -> Document:
    pattern = attention_pattern(config, context)
    return {
        "context": context,
        "attention_pattern": {
            "per_head": pattern.per_head,
            "all_heads": pattern.all_heads,
            "bytes": pattern.n_bytes,
        },
        "kv_cache_bytes": kv_cache_bytes_per_token(config) * context,
        "flops": _flops(config, context),
    }


def _scorekeeping(counted: Counted) -> Document:
    return {
        "total": counted.total,
        "spoken": [asdict(figure) for figure in spoken_figures(counted.config)],
        "reconciliation": [asdict(step) for step in reconciliation(counted.config)],
    }
