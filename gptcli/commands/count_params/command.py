"""``gptcli count-params``: a model's parameters and what they cost, without its weights."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from gptcli.accounting.workload import DTYPES
from gptcli.commands.completion import models_or, one_of
from gptcli.commands.count_params.quantities import (
    parse_bytes,
    parse_contexts,
    parse_speed,
    parse_tokens,
)
from gptcli.commands.options import OutputRequest, checkpoint_argument, option, own_names
from gptcli.commands.view.answer import Answer
from gptcli.commands.word_meaning import (
    is_file,
    local_dataset,
    local_model,
    looks_like_file,
    taken_for,
)
from gptcli.config.training import PRECISIONS
from gptcli.errors import UsageError
from gptcli.families.registry import PRESETS

_WHICH, _SIZE, _WORK, _SHOW = "Which model", "Other sizes", "Workload and limits", "What to show"


@dataclass(frozen=True)
class CountRequest(OutputRequest):
    """A model, other sizes for it, its workload, and what to show."""

    formats = ("table", "json", "csv", "md", "svg", "png")
    exclusive = (("checkpoint", "preset", "model_config"),)
    alone = MappingProxyType({"list_presets": (), "diff": ("accounting",)})
    needs = MappingProxyType({"device_flops": ("train_tokens",)})

    checkpoint: Path | None = checkpoint_argument()
    preset: str | None = option(
        "A named model, such as gpt2 or gpt3.", panel=_WHICH, offer=one_of(PRESETS)
    )
    model_config: Path | None = option("A config.json.", panel=_WHICH)
    diff: tuple[str, str] | None = option(
        "Compare two models: presets, runs or config.json files.",
        panel=_WHICH,
        metavar="A B",
        offer=models_or(PRESETS),
    )
    list_presets: bool = option("List the named models.", default=False, panel=_WHICH)
    n_layer: int | None = option("Number of transformer blocks.", panel=_SIZE)
    n_head: int | None = option("Attention heads in each block.", panel=_SIZE)
    n_kv_head: int | None = option("Key and value heads in each block.", panel=_SIZE)
    n_embd: int | None = option("Width of the residual stream.", panel=_SIZE)
    head_dim: int | None = option("Width of each attention head.", panel=_SIZE)
    n_inner: int | None = option("Width inside the MLP.", panel=_SIZE)
    block_size: int | None = option("Context length in tokens.", panel=_SIZE)
    vocab_size: int | None = option("Vocabulary size.", panel=_SIZE)
    dropout: float | None = option("Dropout probability in training.", panel=_SIZE)
    tied: bool | None = option(
        "Whether token embedding and output layer share their weights.",
        "--tied/--untied",
        panel=_SIZE,
    )
    context: str | None = option(
        "Show the costs at these context lengths, such as 1k,2k,8k; 1k is 1,024.", panel=_WORK
    )
    batch_size: int | None = option("Sequences in a batch. Default: 1.", panel=_WORK)
    dtype: str | None = option(
        "Type of weights and cache in generation: float32 (as gptcli sample), float64, bfloat16, "
        "float16 or int8. Default: the checkpoint's, else bfloat16.",
        panel=_WORK,
        choices=tuple(DTYPES),
    )
    precision: str | None = option(
        "Precision of matrix products in training: float32 (default) or bfloat16.",
        panel=_WORK,
        choices=PRECISIONS,
    )
    train_tokens: str | None = option(
        "Show the compute of training on this many tokens, such as 300B.", panel=_WORK
    )
    device_flops: str | None = option(
        "Operations per second that the device sustains, such as 150T; gives the time of training.",
        panel=_WORK,
    )
    gpu_mem: str | None = option(
        "Show whether the model fits into this memory, such as 24GB or 80GiB.", panel=_WORK
    )
    accounting: str = option(
        "How to count: exact, or 3b1b, as in chapter 6 of 3Blue1Brown's series.",
        default="exact",
        panel=_SHOW,
        choices=("exact", "3b1b"),
    )
    explain: bool = option(
        "Explain why 124M, 163M and 117M are all called GPT-2.", default=False, panel=_SHOW
    )
    verify: bool = option(
        "Check the count: build the model with torch, without allocating its memory, and compare.",
        default=False,
        panel=_SHOW,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.contexts is not None and self.limits is not None, "both are readable"

    def understood(self) -> Self:
        """The request with a preset or config.json in its place, if it was given as the model."""
        if self.checkpoint is None:
            return self
        word = str(self.checkpoint)
        if directory := local_model(word):
            if directory == self.checkpoint:
                return self
            return taken_for(f"model: {directory.as_posix()}", self, checkpoint=directory)
        if word in PRESETS:
            return taken_for(
                f"{word} is a preset: taken as --preset", self, checkpoint=None, preset=word
            )
        if is_file(word) and self.checkpoint.suffix == ".json":
            what = f"{word} is a file: taken as --model-config"
            return taken_for(what, self, checkpoint=None, model_config=self.checkpoint)
        if is_file(word):
            raise UsageError(
                f"{word} is not a config.json: give a run, a Hugging Face directory or --preset"
            )
        if looks_like_file(word):
            raise UsageError(f"{word} does not exist: check the path")
        if local_dataset(word):
            raise UsageError(f"{word} is a dataset: give a run, such as runs/input, or --preset")
        return self

    @property
    def sizes(self) -> dict[str, Any]:
        """The sizes to change."""
        return self.given(*own_names(CountRequest, _SIZE))

    @property
    def asks_costs(self) -> bool:
        """Whether a flag for the workload or its limits is given."""
        return bool(self.given(*own_names(CountRequest, _WORK)))

    @property
    def contexts(self) -> tuple[int, ...]:
        """The context lengths that are asked for; empty for the model's own."""
        return () if self.context is None else parse_contexts(self.context)

    @property
    def limits(self) -> dict[str, int]:
        """The given ones of: tokens to train on, speed and memory of the device."""
        return {name: parse(getattr(self, name)) for name, parse in _LIMITS if self.is_given(name)}


_LIMITS = (
    ("train_tokens", parse_tokens),
    ("device_flops", parse_speed),
    ("gpu_mem", parse_bytes),
)


def count_params(request: CountRequest) -> Answer:
    """Count a GPT's parameters, matrix by matrix, and what it costs to run and to train it.

    Only the configuration is read and, of a checkpoint, the headers of its files, no weights.
    """
    from gptcli.commands.count_params.run import run

    return run(request)
