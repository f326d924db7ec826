"""``gptcli eval``: how well a model predicts a text."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from gptcli.commands.completion import datasets, models, models_or
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
    check_reward,
    check_text,
    understood_checkpoint,
)
from gptcli.config.checks import check_whole, flag
from gptcli.config.data import SPLITS
from gptcli.config.objective import REWARD_RULES
from gptcli.config.sampling import SamplingConfig
from gptcli.errors import UsageError
from gptcli.runtime.world import launched

_WHAT, _HOW, _ANSWERS = "Text to measure on", "Other measurements", "Answers to questions"
_OF_TEXT = ("data", "allow_changed_data", "text", "file", "stride")


@dataclass(frozen=True)
class EvalRequest(OutputRequest):
    """A model, the text that it predicts, and what to report about its predictions."""

    formats_with = MappingProxyType({"per_token": ("jsonl", "npz", "html")})
    exclusive = (
        ("per_token", "by", "compare", "quantize", "tasks", "verify"),
        ("reward", "per_token", "by", "quantize", "tasks", "verify"),
        ("data", "text", "file"),
    )
    makes_no_use_of = MappingProxyType(
        {
            "tasks": _OF_TEXT,
            "verify": _OF_TEXT,
            "reward": ("text", "file", "stride"),
            **dict.fromkeys(("text", "file"), ("allow_changed_data",)),
        }
    )
    needs = MappingProxyType(
        {
            "limit": ("tasks", "reward"),
            **dict.fromkeys(("num_samples", "temperature"), ("reward",)),
        }
    )

    checkpoint: Path | None = checkpoint_argument()
    data: Path | None = option(
        "Directory of a dataset. Default: the one that the run was trained on.",
        panel=_WHAT,
        offer=datasets,
        check=check_dataset,
    )
    split: str = option("val or train.", default="val", panel=_WHAT, choices=SPLITS)
    text: str | None = option("A text to measure on instead of a dataset.", panel=_WHAT)
    file: Path | None = option(
        "A file with the text; - reads stdin.", panel=_WHAT, check=check_file
    )
    allow_changed_data: bool = changed_data_option(_WHAT)
    stride: int | None = option(
        "Tokens from the start of one window to the next. If it is below the context, windows "
        "overlap, and each token is predicted from at least context - stride before it. Default: "
        "the context.",
        panel=_WHAT,
    )
    per_token: bool = option(
        "Each token's loss, probability, rank and alternatives, as --format jsonl (default), npz, "
        "or html: the text coloured by surprise.",
        default=False,
        panel=_HOW,
    )
    by: str | None = option(
        "position: show the loss by the number of tokens that the model has seen.",
        panel=_HOW,
        choices=("position",),
    )
    compare: list[Path] | None = option(
        "Measure another model on the same tokens: the difference and its standard error. May be "
        "repeated.",
        panel=_HOW,
        metavar="CHECKPOINT",
        offer=models,
    )
    quantize: str | None = option(
        "int8: compare the model with a copy whose weights are 8-bit integers.",
        panel=_HOW,
        choices=("int8",),
    )
    tasks: str | None = option(
        "Benchmarks: tasks of lm-eval, or YAML files "
        "that describe one each (requires the extra 'tasks').",
        panel=_HOW,
        metavar="NAME,...",
    )
    limit: int | None = option(
        "Number of examples of each task, or of questions with --reward. Default: all.", panel=_HOW
    )
    verify: bool = option(
        "Check the hashes of the files and, if transformers is installed, compare ids, logits "
        "and greedy text with it.",
        default=False,
        panel=_HOW,
    )
    reward: str | None = option(
        "Let the model answer each question of the data, and measure its answers: exact (the "
        "reference answer), final (its last word), or a run of train --objective reward.",
        panel=_ANSWERS,
        metavar="RULE|RUN",
        offer=models_or(REWARD_RULES),
        check=check_reward,
    )
    num_samples: int = option(
        "Number of answers to each question.",
        default=SamplingConfig.num_samples,
        panel=_ANSWERS,
    )
    temperature: float = option(
        "Divides the logits of the answers; 0 always takes the likeliest token.",
        default=SamplingConfig.temperature,
        panel=_ANSWERS,
    )
    device: str = device_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("stride", "limit"):
            if self.is_given(name):
                check_whole(name, getattr(self, name), 1)
        SamplingConfig(num_samples=self.num_samples, temperature=self.temperature)
        if self.tasks is not None and not self.task_names:
            raise UsageError("--tasks is empty: give a task of lm-eval or a YAML file")
        alone = self.given("per_token", "tasks", "verify", "reward")
        if alone and launched().size > 1:
            raise UsageError(
                f"{flag(next(iter(alone)))} runs in a single process: leave torchrun out"
            )

    def understood(self) -> Self:
        """The request with a file or dataset in its own place, if it was given as the model."""
        check_text(self.text, "--text", "--file")
        if self.checkpoint is None:
            return self
        return understood_checkpoint(self, str(self.checkpoint), "file", "gptcli eval --text")

    @property
    def task_names(self) -> list[str]:
        """The names or files of the tasks to run."""
        return [name.strip() for name in (self.tasks or "").split(",") if name.strip()]


def evaluate(request: EvalRequest) -> Answer | None:
    """Measure how well a model predicts a text: bits per byte, loss, perplexity, accuracy.

    Every token but the first is predicted once, in a fixed order, so the figures are the same at
    every call. In records with a prompt and a completion, only the completion counts. With
    --reward the model answers questions, and its answers are judged. Under torchrun, several
    processes share the work; the result is the same.
    """
    give_way()
    from gptcli.commands.eval.run import run

    return run(request)
