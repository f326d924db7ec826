"""``gptcli eval``: how well a model predicts a text."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gptcli.commands.options import (
    OutputRequest,
    changed_data_option,
    checkpoint_argument,
    device_option,
    option,
)
from gptcli.commands.view.answer import Answer
from gptcli.config.checks import check_whole, flag
from gptcli.config.data import SPLITS
from gptcli.errors import UsageError
from gptcli.runtime.world import launched

_WHAT, _HOW = "What is measured", "Instead of figures for the whole text"
_OF_TEXT = ("data", "allow_changed_data", "text", "file", "stride")


@dataclass(frozen=True)
class EvalRequest(OutputRequest):
    """A model, the text that it predicts, and what to report about its predictions."""

    formats_with = MappingProxyType({"per_token": ("jsonl", "npz", "html")})
    exclusive = (
        ("per_token", "by", "compare", "quantize", "tasks", "verify"),
        ("data", "text", "file"),
    )
    makes_no_use_of = MappingProxyType(
        {
            "tasks": _OF_TEXT,
            "verify": _OF_TEXT,
            **dict.fromkeys(("text", "file"), ("allow_changed_data",)),
        }
    )
    needs = MappingProxyType({"limit": ("tasks",)})

    checkpoint: Path | None = checkpoint_argument()
    data: Path | None = option("Dataset. Default: the run's own.", panel=_WHAT)
    split: str = option("val or train.", default="val", panel=_WHAT, choices=SPLITS)
    text: str | None = option("A text instead of a dataset.", panel=_WHAT)
    file: Path | None = option("A file with the text; - is stdin.", panel=_WHAT)
    allow_changed_data: bool = changed_data_option(_WHAT)
    stride: int | None = option(
        "Tokens between the starts of windows; below the context, each token is predicted from at "
        "least context - stride before it. Default: the context, no overlap.",
        panel=_WHAT,
    )
    per_token: bool = option(
        "Each token's loss, probability, rank and alternatives, as --format jsonl (default), npz, "
        "or html: the text coloured by surprise.",
        default=False,
        panel=_HOW,
    )
    by: str | None = option(
        "position: the loss by the number of tokens seen, as plot and table.",
        panel=_HOW,
        choices=("position",),
    )
    compare: list[Path] | None = option(
        "Another model on the same tokens: the difference and its standard error; may be repeated.",
        panel=_HOW,
        metavar="CHECKPOINT",
    )
    quantize: str | None = option(
        "int8: compare the model with its copy that has weights of one byte.",
        panel=_HOW,
        choices=("int8",),
    )
    tasks: str | None = option(
        "Tasks of lm-eval, or YAML files that each describe one (needs the extra: tasks).",
        panel=_HOW,
        metavar="NAME,...",
    )
    limit: int | None = option("Examples of each task. Default: all.", panel=_HOW)
    verify: bool = option(
        "Check the files' hashes and, if transformers is installed, ids, logits and greedy text "
        "against it.",
        default=False,
        panel=_HOW,
    )
    device: str = device_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("stride", "limit"):
            if self.is_given(name):
                check_whole(name, getattr(self, name), 1)
        if self.tasks is not None and not self.task_names:
            raise UsageError("--tasks names none: give a task of lm-eval or a YAML file")
        alone = self.given("per_token", "tasks", "verify")
        if alone and launched().size > 1:
            raise UsageError(
                f"{flag(next(iter(alone)))} is the work of one process: leave torchrun out"
            )

    @property
    def task_names(self) -> list[str]:
        """The names or files of the tasks to run."""
        return [name.strip() for name in (self.tasks or "").split(",") if name.strip()]


def evaluate(request: EvalRequest) -> Answer | None:
    """Measure how well a model predicts a text: bits per byte, loss, perplexity, accuracy.

    Every token but the first is predicted once, in a fixed order, so the figures are the same
    at every call. In data with masks only the targets that count, completions, are predicted.
    Under torchrun several processes share the work; the result is the same.
    """
    from gptcli.commands.eval.run import run

    return run(request)
