"""What inspect-attention found, as a JSON document and as arrays."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptcli.checkpoint.weights_step import WeightsStep, step_document
from gptcli.commands.view.answer import Document
from gptcli.commands.view.documents import Computed
from gptcli.families.registry import model_type_of
from gptcli.inspection.head_kinds import kind_of
from gptcli.inspection.patterns import Patterns, PatternStream
from gptcli.inspection.report import AttentionReport, HeadReport, Token
from gptcli.inspection.stage_names import DEFAULT_STAGE, Stage

SCHEMA = "gptcli.attention/1"


def attention_document(
    report: AttentionReport,
    heads: Collection[HeadReport],
    patterns: Patterns,
    step: WeightsStep | None = None,
    stage: Stage = DEFAULT_STAGE,
) -> Document:
    """The document of these heads, with the matrices in ``patterns``, which are of that stage.

    Tokens, links and rows count from the beginning of the text.
    """
    return {
        "model": {
            "directory": report.directory.as_posix(),
            **step_document(step),
            "model_type": model_type_of(report.config),
            **report.config.whole(),
        },
        "samples": report.n_samples,
        "tokens": [_token(token) for token in report.tokens],
        **({"stage": stage} if patterns else {}),
        "heads": [_head_document(report.first, head, patterns) for head in heads],
        "check": asdict(report.check),
    }


def _token(token: Token) -> dict[str, Any]:
    """A token; only one that a reward model has read has a score."""
    fields = asdict(token)
    return {name: value for name, value in fields.items() if name != "score" or value is not None}


def _head_document(first: int, report: HeadReport, patterns: Patterns) -> dict[str, Any]:
    document: dict[str, Any] = {
        "layer": report.head.layer,
        "head": report.head.index,
        "kind": kind_of(report.metrics),
        "metrics": {name: asdict(measured) for name, measured in report.metrics.items()},
        "top": [
            [first + link.query, first + link.key, _short(link.weight)] for link in report.links
        ],
    }
    if (pattern := patterns.get(report.head)) is not None:
        document["pattern"] = Computed(lambda: [[*map(_short, row)] for row in pattern.tolist()])
    return document


def _short(weight: float) -> float:
    """A float32 rounded to the digits that it has."""
    return float(f"{weight:.9g}")


def attention_arrays(
    report: AttentionReport,
    heads: Sequence[HeadReport],
    patterns: PatternStream,
    stage: Stage,
) -> dict[str, NDArray[Any]]:
    """The same as arrays: ``patterns`` and every metric by its name, NaN where it has no rows.

    All heads are (layer, head, ...); some of them (n, ...), and ``heads`` says which they are.
    """
    config, n_tokens = report.config, len(report.tokens)
    is_whole = len(heads) == len(report.heads)
    shape = (config.n_layer, config.n_head) if is_whole else (len(heads),)
    values = np.empty((len(heads), n_tokens, n_tokens), np.float32)
    places = {one.head: place for place, one in enumerate(heads)}
    for head, pattern in patterns:
        values[places[head]] = pattern.numpy()
    metrics = {
        name: np.array([one.metrics[name].value for one in heads], float).reshape(shape)
        for name in heads[0].metrics
    }
    return {
        "patterns": values.reshape(*shape, n_tokens, n_tokens),
        "stage": np.array(stage),
        "heads": np.array([(one.head.layer, one.head.index) for one in heads]),
        "tokens": np.array([token.text for token in report.tokens]),
        "ids": np.array([token.id for token in report.tokens]),
        "places": report.first + np.arange(n_tokens),
        **metrics,
        **{name: np.array(value) for name, value in asdict(report.check).items()},
    }
