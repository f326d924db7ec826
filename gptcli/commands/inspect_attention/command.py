"""``gptcli inspect-attention``: what every attention head looks at in a text."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from gptcli.commands.completion import one_of
from gptcli.commands.options import (
    OutputRequest,
    changed_data_option,
    checkpoint_argument,
    device_option,
    option,
)
from gptcli.commands.view.answer import Answer
from gptcli.commands.waiting import give_way
from gptcli.commands.word_meaning import check_file, check_text, understood_checkpoint
from gptcli.inspection.metrics import DEFAULT_METRIC, METRICS, check_metric


@dataclass(frozen=True)
class InspectRequest(OutputRequest):
    """A model, a text, and which heads to show by which metric."""

    formats = ("table", "json", "md", "csv", "svg", "png")
    only_in = MappingProxyType(dict.fromkeys(("keys", "dots"), ("svg", "png")))
    exclusive = (("text", "file"),)
    makes_no_use_of = MappingProxyType(
        {"text": ("allow_changed_data",), "file": ("allow_changed_data",)}
    )
    needs = MappingProxyType({"patterns": ("json_output",)})

    checkpoint: Path | None = checkpoint_argument()
    text: str | None = option(
        "The text that the model reads. Default: the beginning of the validation split."
    )
    file: Path | None = option("A file with the text; - reads stdin.", check=check_file)
    allow_changed_data: bool = changed_data_option()
    heads: str | None = option(
        "Heads to show in full, such as L0.H3,L1.H0. Default: the most focused one that is not an "
        "attention sink (one that looks at the first token); in other formats, all."
    )
    metric: str | None = option(
        f"The metric in the grid of heads: {', '.join(METRICS)}. Default: {DEFAULT_METRIC}.",
        offer=one_of(METRICS),
    )
    sort: str | None = option(
        "The metric by which heads are ranked. Default: --metric.", offer=one_of(METRICS)
    )
    patterns: bool = option(
        "With --json: include each head's full attention matrix.", default=False
    )
    keys: str = option(
        "In a figure: keys across and queries down, or keys down as 3Blue1Brown draws them.",
        default="across",
        choices=("across", "down"),
        metavar="across|down",
    )
    dots: bool = option(
        "In a figure: a grid of dots whose areas are the weights, in place of colours.",
        default=False,
    )
    device: str = device_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_metric("--metric", self.grid_metric)
        check_metric("--sort", self.ranking_metric)

    def understood(self) -> Self:
        """The request with a file in its own place, if it was given as the model."""
        check_text(self.text, "--text", "--file")
        if self.checkpoint is None:
            return self
        return understood_checkpoint(
            self, str(self.checkpoint), "file", "gptcli inspect-attention --text", dataset=None
        )

    @property
    def grid_metric(self) -> str:
        """The metric of the grid."""
        return self.metric or DEFAULT_METRIC

    @property
    def ranking_metric(self) -> str:
        """The metric that heads are ranked by."""
        return self.sort or self.grid_metric

    @property
    def is_ranked(self) -> bool:
        """Whether a metric is given, so that the document's heads are ranked, too."""
        return (self.sort or self.metric) is not None


def inspect_attention(request: InspectRequest) -> Answer:
    """Show what each attention head looks at in a text, and what the model predicts.

    Layers and heads are counted from 0: L0.H0 is the first. --json lists every head, ranked only
    with --sort or --metric; md and csv always rank them.
    """
    give_way()
    from gptcli.commands.inspect_attention.run import run

    return run(request)
