"""Several readings side by side: one model reads several texts, or several models one text.

All are compared with the first. Layers and heads are the same in all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gptcli.config.checks import counted
from gptcli.errors import CheckpointError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.capture import Recording, attention_modules
from gptcli.inspection.heads import Head
from gptcli.inspection.measures import Measured
from gptcli.inspection.patterns import head_patterns
from gptcli.inspection.report import AttentionReport
from gptcli.inspection.token_row import find_token
from gptcli.inspection.vectors import Vectors


@dataclass(frozen=True)
class Reading:
    """A text as a model read it; ``name`` tells it from the others: the text, or the model.

    The report is of all tokens of the recording.
    """

    name: str
    loaded: LoadedModel
    recording: Recording
    report: AttentionReport

    @property
    def texts(self) -> list[str]:
        """The texts of the tokens."""
        return [token.text for token in self.report.tokens]

    def find(self, wanted: str, flag: str = "--token") -> int:
        """The place among the tokens of one that is named by its number in the text, or its text.

        UsageError where there is none.
        """
        return find_token(self.texts, wanted, flag, self.report.first)


@dataclass(frozen=True)
class HeadChange:
    """A head in every reading.

    Attributes:
        metrics: one mapping for each reading.
        moved: for each reading but the first, the share of the attention that goes elsewhere
            than in the first: half the sum of the absolute differences of a row, the mean over
            all rows but row 0. None where the tokens are not the same.

    """

    head: Head
    metrics: tuple[Mapping[str, Measured], ...]
    moved: tuple[float | None, ...]

    def change(self, metric: str, reading: int) -> float | None:
        """How much larger a metric is in this reading than in the first."""
        first, other = self.metrics[0][metric].value, self.metrics[reading][metric].value
        return None if first is None or other is None else other - first


@dataclass(frozen=True)
class LinkChange:
    """The weight of a key for a query in the first reading, and in another."""

    query: int
    key: int
    before: float
    weight: float


@dataclass(frozen=True)
class PatternDifference:
    """A head's patterns (T, T) in the first reading and in another, of the same tokens."""

    reading: int
    head: Head
    first: Tensor
    other: Tensor

    @property
    def difference(self) -> Tensor:
        """What the other pattern has more than the first: (T, T), from -1 to 1."""
        return self.other - self.first

    def largest(self, count: int) -> list[LinkChange]:
        """The links that changed most; none where both patterns are the same."""
        n_tokens = self.first.shape[0]
        places = self.difference.abs().flatten().topk(min(count, n_tokens)).indices.tolist()
        return [
            LinkChange(query, key, float(self.first[query, key]), float(self.other[query, key]))
            for query, key in (divmod(place, n_tokens) for place in places)
            if self.first[query, key] != self.other[query, key]
        ]


@dataclass(frozen=True)
class Comparison:
    """Two readings or more, and every head in all of them, in the order of the model."""

    readings: tuple[Reading, ...]
    heads: tuple[HeadChange, ...]

    def most_changed(self, metric: str) -> list[HeadChange]:
        """The heads by how much their patterns moved, else by how much the metric changed."""

        def changes(change: HeadChange) -> tuple[float, float]:
            others = range(1, len(self.readings))
            moved = max(part or 0.0 for part in change.moved)
            return -moved, -max(abs(change.change(metric, one) or 0.0) for one in others)

        return sorted(self.heads, key=changes)

    def differences(self, heads: Sequence[Head]) -> list[PatternDifference]:
        """The patterns of these heads in every reading of the same tokens as the first's."""
        first = self.readings[0]
        old = head_patterns(first.loaded.model, first.recording, heads)
        return [
            PatternDifference(number, head, old[head], new)
            for number, reading in enumerate(self.readings[1:], 1)
            if have_same_tokens(first, reading)
            for head, new in head_patterns(reading.loaded.model, reading.recording, heads).items()
        ]


def have_same_tokens(first: Reading, other: Reading) -> bool:
    """Whether both read the same tokens, so that their patterns have the same rows and columns."""
    return torch.equal(first.recording.ids, other.recording.ids)


def compare(readings: Sequence[Reading]) -> Comparison:
    """Compare all readings with the first of them, a few rows of one layer at a time."""
    first, *others = readings
    movements = [_movements(first, other) for other in others]
    heads = [
        HeadChange(
            reports[0].head,
            tuple(report.metrics for report in reports),
            tuple(None if moved is None else moved[reports[0].head] for moved in movements),
        )
        for reports in zip(*(reading.report.heads for reading in readings), strict=True)
    ]
    return Comparison(tuple(readings), tuple(heads))


def check_comparable(first: LoadedModel, other: LoadedModel) -> None:
    """CheckpointError that names both, unless tokenizer, layers and heads are the same."""
    names = f"{first.directory} and {other.directory} cannot be compared"
    way = "give two checkpoints of one run"
    if not first.tokenizer.has_identity(other.tokenizer.identity):
        mine, theirs = (one.tokenizer.identity[:12] for one in (first, other))
        raise CheckpointError(f"{names}: their tokenizers are {mine} and {theirs}; {way}")
    shapes = [(one.model.config.n_layer, one.model.config.n_head) for one in (first, other)]
    if shapes[0] != shapes[1]:
        mine, theirs = (
            f"{counted(layers, 'layer')} of {counted(heads, 'head')}" for layers, heads in shapes
        )
        raise CheckpointError(f"{names}: they have {mine} and {theirs}; {way}")


@torch.inference_mode()
def _movements(first: Reading, other: Reading) -> dict[Head, float] | None:
    """How much each head's pattern moved; None where tokens differ or there is but one."""
    n_rows = len(first.recording.ids) - 1
    if not n_rows or not have_same_tokens(first, other):
        return None
    moved = dict[Head, float]()
    modules = (attention_modules(one.loaded.model) for one in (first, other))
    layers = zip(*modules, first.recording.layers, other.recording.layers, strict=True)
    for layer, (attention, new_attention, recorded, new_recorded) in enumerate(layers):
        vectors = Vectors.of(attention, recorded), Vectors.of(new_attention, new_recorded)
        sums = torch.zeros(attention.n_head, dtype=torch.double)
        for rows in vectors[0].blocks(1):
            old, new = (one.seen_weights(rows) for one in vectors)
            sums += (new - old).abs().sum(dim=(1, 2)).cpu().double() / 2
        for index, value in enumerate((sums / n_rows).tolist()):
            moved[Head(layer, index)] = value
    return moved
