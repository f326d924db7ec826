"""``gptcli inspect-attention``: what every attention head looks at in a text."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Self, cast

from gptcli.commands.completion import datasets, models, one_of
from gptcli.commands.inspect_attention.direction import check_direction
from gptcli.commands.options import (
    OutputRequest,
    changed_data_option,
    checkpoint_argument,
    device_option,
    option,
)
from gptcli.commands.view.answer import Answer
from gptcli.commands.waiting import give_way
from gptcli.commands.word_meaning import (
    check_dataset,
    check_file,
    check_text,
    understood_checkpoint,
)
from gptcli.config.checks import check_positive, check_whole
from gptcli.errors import UsageError
from gptcli.inspection.excerpt import check_window
from gptcli.inspection.heads import ABLATION_MODES, AblationMode
from gptcli.inspection.metrics import DEFAULT_METRIC, METRICS, check_metric
from gptcli.inspection.stage_names import DEFAULT_STAGE, STAGES, Stage

DEFAULT_SAMPLES = 8
ABLATION_SAMPLES = 64
_ABLATION = "Ablation"
_OF_ABLATION = (
    "checkpoint", "text", "file", "ids", "data", "samples", "allow_changed_data", "mode", "device",
)  # fmt: skip
_COMPARING = ("compare", "compare_checkpoint")
_FOCI = ("residual", "pair", "token", "groups", *_COMPARING)
_TEXTLESS = ("embedding", "direction")


def parse_ids(ids: str) -> tuple[int, ...]:
    """Token ids from ``1 2 3`` or ``1, 2, 3``; UsageError for anything else."""
    words = ids.replace(",", " ").split()
    if wrong := next((word for word in words if not word.isascii() or not word.isdigit()), None):
        raise UsageError(f"--ids {wrong!r:.40} is not a token id: give numbers such as '18 47 56'")
    if not words:
        raise UsageError("--ids is empty: give numbers such as '18 47 56'")
    return tuple(int(word[:18]) for word in words)


def _check_ids(ids: str) -> None:
    parse_ids(ids)


@dataclass(frozen=True)
class InspectRequest(OutputRequest):
    """A model, a text, and which heads to show by which metric."""

    formats = ("table", "json", "md", "csv", "svg", "png", "html", "npz")
    only_in = MappingProxyType(
        {
            **dict.fromkeys(("keys", "dots"), ("svg", "png")),
            "max_html_mb": ("html",),
            "stage": ("table", "json", "svg", "png", "npz"),
        }
    )
    formats_with = MappingProxyType(
        dict.fromkeys(("ablate", *_TEXTLESS, *_FOCI), ("table", "json", "md", "csv"))
        | dict.fromkeys(_COMPARING, ("table", "json", "md", "csv", "svg", "png"))
    )
    exclusive = (
        ("text", "file", "ids", "data"),
        ("window", "samples"),
        ("window", "data"),
        _TEXTLESS,
        ("residual", "pair", "token", "groups"),
        ("residual", "compare_checkpoint"),
        *((one, "compare", "compare_checkpoint") for one in ("pair", "groups")),
    )
    makes_no_use_of = MappingProxyType(
        dict.fromkeys(("text", "file", "ids"), ("allow_changed_data", "samples"))
        | dict.fromkeys(_FOCI, ("window", "data", "samples", "stage", "patterns"))
    )
    alone = MappingProxyType(
        {"ablate": _OF_ABLATION, **dict.fromkeys(_TEXTLESS, ("checkpoint", "device"))}
    )
    needs = MappingProxyType({"patterns": ("json_output",), "mode": ("ablate",)})

    checkpoint: Path | None = checkpoint_argument()
    text: str | None = option(
        "The text that the model reads. Default: the beginning of the validation split."
    )
    file: Path | None = option("A file with the text; - reads stdin.", check=check_file)
    ids: str | None = option(
        "Token ids in place of a text, such as '18 47 56'.", check=_check_ids, metavar="IDS"
    )
    data: Path | None = option(
        "A dataset whose validation split is read in windows of the context: metrics are means "
        "over them, tokens and patterns those of the first.",
        offer=datasets,
        check=check_dataset,
    )
    samples: int | None = option(
        f"How many windows of --data, or of the run's own dataset. Default: {DEFAULT_SAMPLES}, or "
        f"{ABLATION_SAMPLES} with --ablate.",
        check=partial(check_whole, "samples", least=1),
    )
    allow_changed_data: bool = changed_data_option()
    window: str | None = option(
        "Measure and show only the tokens from place A of the text to B - 1. They look at all that "
        "comes before them, as far as the context reaches.",
        metavar="A:B",
        check=check_window,
    )
    heads: str | None = option(
        "Heads to show in full, such as L0.H1,L1.H0. Default: the most focused one that is not an "
        "attention sink (one that looks at the first token); in a page, the eight that rank first, "
        "of a short text all; in a figure six; in other formats, all."
    )
    metric: str | None = option(
        f"The metric in the grid of heads: {', '.join(METRICS)}. Default: {DEFAULT_METRIC}.",
        offer=one_of(METRICS),
    )
    sort: str | None = option(
        "The metric by which heads are ranked. Default: --metric.", offer=one_of(METRICS)
    )
    stage: str = option(
        "What a pattern holds: raw (q.k), scaled, masked, softmax (the weights), value (weight "
        "times the length of what the value writes to the stream), or rollout (weights of all "
        "layers so far, multiplied).",
        default=DEFAULT_STAGE,
        choices=tuple(STAGES),
    )
    token: str | None = option(
        "What one token draws from the tokens before it, in every head: its number, or its text, "
        "as creature. The last token of the last such text is taken.",
        metavar="TEXT|NUMBER",
    )
    pair: str | None = option(
        "The steps of one number, from q.k over the softmax to what is added to the residual "
        "stream: two tokens by number or text, as 5:3, or strongest for a head's strongest link.",
        metavar="QUERY:KEY",
    )
    residual: str | None = option(
        "How one token's vector is refined, layer by layer, and what each head adds to it: its "
        "number, or its text. With --compare, how the same token drifts apart in several texts.",
        metavar="TEXT|NUMBER",
    )
    groups: bool = option(
        "Of a model of characters: how much vowels, consonants, spaces, line starts and so on look "
        "at each other.",
        default=False,
    )
    compare: list[str] | None = option(
        "Read another text, too, and compare all heads. May be repeated.", metavar="TEXT"
    )
    compare_checkpoint: list[Path] | None = option(
        "Read the text with another checkpoint of the run, too, and compare all heads. May be "
        "repeated.",
        metavar="CHECKPOINT",
        offer=models,
    )
    embedding: str | None = option(
        "Reads no text: the vector of a token of the vocabulary, such as mole, and the tokens "
        "whose vectors are nearest to it.",
        metavar="TOKEN",
    )
    direction: str | None = option(
        "Reads no text: a sum or difference of tokens, such as 'king - man + woman', and the "
        "tokens whose vectors are nearest to it.",
        metavar="SUM",
        check=check_direction,
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
    max_html_mb: float = option(
        "With --format html: the largest size of the page, in millions of bytes; a long text is "
        "pooled to fit.",
        default=20.0,
        check=partial(check_positive, "max_html_mb"),
    )
    ablate: str | None = option(
        "Instead of patterns: by how much the loss grows without each of these heads, such as "
        "L3.H1,L0.H0, or all. Over the whole text, or over windows of the validation split.",
        panel=_ABLATION,
        metavar="HEADS",
    )
    mode: str | None = option(
        f"What the output of an ablated head is replaced by: {ABLATION_MODES[0]} (default), or its "
        "mean over the data.",
        panel=_ABLATION,
        choices=ABLATION_MODES,
    )
    device: str = device_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_metric("--metric", self.grid_metric)
        check_metric("--sort", self.ranking_metric)
        if self.is_given("stage") and self.chosen_form == "json" and not self.patterns:
            raise UsageError("--stage works with --json only with --patterns: give both")

    def understood(self) -> Self:
        """The request with a file in its own place, if it was given as the model."""
        check_text(self.text, "--text", "--file")
        if self.checkpoint is None:
            return self
        return understood_checkpoint(
            self, str(self.checkpoint), "file", "gptcli inspect-attention --text"
        )

    @property
    def shown_stage(self) -> Stage:
        """What patterns hold."""
        return cast("Stage", self.stage)

    @property
    def ablation_mode(self) -> AblationMode:
        """What the output of an ablated head is replaced by."""
        return cast("AblationMode", self.mode or ABLATION_MODES[0])

    @property
    def is_focused(self) -> bool:
        """Whether one thing is asked for, in place of the overview."""
        return any(map(self.is_given, _FOCI))

    @property
    def is_textless(self) -> bool:
        """Whether a vector of the vocabulary is asked for, which needs no text."""
        return any(map(self.is_given, _TEXTLESS))

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
