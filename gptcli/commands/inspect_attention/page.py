"""The page of inspect-attention: all heads, one of them in full, and the steps of one number."""

import math
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gptcli.commands.view.numbers import rounded
from gptcli.commands.view.pages import render_page, visible_words
from gptcli.commands.view.terminal import note
from gptcli.config.checks import counted
from gptcli.errors import UsageError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.capture import Recording
from gptcli.inspection.excerpt import Excerpt
from gptcli.inspection.head_kinds import kind_of
from gptcli.inspection.heads import Head
from gptcli.inspection.metrics import METRICS
from gptcli.inspection.packed import (
    PackedLayer,
    Packing,
    head_vectors,
    packed_layers,
    packings,
    vector_bytes,
)
from gptcli.inspection.report import AttentionReport, Guess, HeadReport, Token
from gptcli.runtime.escapes import visible

_LEAST_HEADS = 8  # whose queries, keys and values are in the page, unless they are named
_SMALL = 2_000_000  # bytes that those of more heads may take
_MB = 10**6
_WORDS = 1000  # bytes left for what is said about patterns, and for names around vectors

Vectors64 = Mapping[str, Mapping[str, str]]
"""A head's vectors by name, in base64, by the name of the head."""


@dataclass(frozen=True)
class PageRequest:
    """What a page is made of.

    Attributes:
        metric: the metric that the grid of heads shows first.
        ranking: heads whose queries, keys and values are in the page, the most wanted first.
        is_asked: whether these were named, so that none may be left out; else those that fit.
        limit: the most bytes that the page may have.

    """

    report: AttentionReport
    loaded: LoadedModel
    recording: Recording
    shown: Excerpt
    metric: str
    ranking: Sequence[Head]
    is_asked: bool
    limit: int


def attention_page(request: PageRequest) -> str:
    """The HTML, whose size a note tells; UsageError where the limit is too small."""
    vectors = _vectors(request)
    packing = _packing(request, _size(request, vectors))
    model, recording = request.loaded.model, request.recording
    layers = tuple(packed_layers(model, recording, request.shown, packing))
    page = _html(request, vectors, packing, layers)
    note(f"the page has {rounded(len(page.encode()), 'B')}: {_resolution(packing, layers)}")
    return page


def _vectors(request: PageRequest) -> Vectors64:
    """Queries, keys and values by head; those that nobody asked for take half of the page at most.

    Of a long text they are those of the first heads, of a short one of all.
    """
    heads, model = request.ranking, request.loaded.model
    if not request.is_asked:
        each = _base64_size(vector_bytes(model.config, request.shown.n_tokens)) + _WORDS
        left = request.limit - _size(request, {}) - min(_sizes(request).values())
        wanted = max(_LEAST_HEADS * each, _SMALL)
        heads = heads[: max(min(wanted, request.limit // 2, left) // each, 0)]
    found = head_vectors(model, request.recording, request.shown, heads)
    return {
        str(head): {name: _base64(part) for name, part in asdict(parts).items()}
        for head, parts in found.items()
    }


def _packing(request: PageRequest, size: int) -> Packing:
    """The most exact way to pack the patterns of a page that has ``size`` bytes without them."""
    sizes = _sizes(request)
    for packing, of_patterns in sizes.items():
        if size + of_patterns <= request.limit:
            return packing
    needed = math.ceil((size + min(sizes.values())) / _MB * 100) / 100
    fewer = ", name fewer --heads" if request.is_asked else ""
    raise UsageError(
        f"--max-html-mb {request.limit / _MB:g} is too small for this page: "
        f"give --max-html-mb {needed:g}{fewer} or a shorter text"
    )


def _sizes(request: PageRequest) -> dict[Packing, int]:
    """The ways to pack the patterns, the most exact first, and how many bytes each takes."""
    config, shown = request.loaded.model.config, request.shown
    return {
        packing: _WORDS
        + config.n_layer * (_base64_size(packing.layer_bytes(config, shown.n_tokens)) + len('"",'))
        for packing in packings(config, shown)
    }


def _size(request: PageRequest, vectors: Vectors64) -> int:
    """The bytes of a page without patterns."""
    return len(_html(request, vectors, Packing("weights"), ()).encode())


def _html(
    request: PageRequest,
    vectors: Vectors64,
    packing: Packing,
    layers: Sequence[PackedLayer],
) -> str:
    report = request.report
    config, opened = report.config, request.ranking[0]
    more = f"; metrics are means over {report.n_samples} windows" if report.n_samples > 1 else ""
    return render_page(
        "gptcli.commands.inspect_attention",
        "web/attention.html",
        title=f"What the heads of {visible_words(report.directory.as_posix())} look at",
        about=[
            f"{counted(config.n_layer, 'layer')} of {counted(config.n_head, 'head')}, reading "
            f"{counted(len(report.tokens), 'token')}; {_resolution(packing, layers)}{more}"
        ],
        cut="",
        data={
            "first": report.first,
            "earlier": request.shown.first,
            "tokens": [_token(token) for token in report.tokens],
            "shape": {
                "layers": config.n_layer,
                "heads": config.n_head,
                "keyHeads": config.key_value_heads,
                "headSize": config.head_size,
            },
            "metrics": list(_metrics(report)),
            "metric": request.metric,
            "kinds": [kind_of(head.metrics) for head in report.heads],
            "links": [_links(head) for head in report.heads],
            "opened": opened.layer * config.n_head + opened.index,
            "vectors": vectors,
            "patterns": {
                "form": packing.form,
                "pool": packing.pool,
                "layers": [_base64(layer.content) for layer in layers],
            },
        },
    )


def _token(token: Token) -> dict[str, Any]:
    predicts = token.predicts
    if predicts is None:
        return {"label": visible(token.text), "score": token.score}
    actual = None if predicts.actual is None else _guess(predicts.actual)
    return {"label": visible(token.text), "next": _guess(predicts.top), "actual": actual}


def _guess(guess: Guess) -> tuple[str, float]:
    return visible(guess.text), round(guess.p, 4)


def _metrics(report: AttentionReport) -> Iterator[dict[str, Any]]:
    for name, metric in METRICS.items():
        yield {
            "name": name,
            "title": name.replace("_", " "),
            "about": metric.about,
            "unit": metric.unit,
            "values": [_rounded(head.metrics[name].value) for head in report.heads],
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def _links(head: HeadReport) -> list[tuple[int, int, float]]:
    return [(link.query, link.key, round(link.weight, 4)) for link in head.links]


def _resolution(packing: Packing, layers: Sequence[PackedLayer]) -> str:
    """What the page's patterns are made of, and how exact they are."""
    error = max((layer.largest_error for layer in layers), default=0.0)
    if packing.form == "vectors":
        return f"weights computed from q and k in 16 bits, within {100 * error:.2g}%"
    pooled = f" of blocks of {packing.pool} tokens" if packing.pool > 1 else ""
    return f"weights{pooled} in 8 bits, within {100 * error:.2g}%"


def _base64(content: bytes) -> str:
    return b64encode(content).decode("ascii")


def _base64_size(n_bytes: int) -> int:
    return 4 * math.ceil(n_bytes / 3)
