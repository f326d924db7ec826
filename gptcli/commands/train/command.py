"""``gptcli train``: trains a model on a dataset and writes a run."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from gptcli.commands.completion import datasets, models, one_of
from gptcli.commands.options import argument, device_option, option, own_names
from gptcli.commands.train.config_file import read_config_file
from gptcli.commands.train.model_flags import MODEL, ModelFlags, filled
from gptcli.commands.train.objective_flags import missing_start
from gptcli.commands.view.answer import Answer
from gptcli.commands.waiting import give_way
from gptcli.commands.word_meaning import (
    check_dataset,
    is_file,
    local_dataset,
    local_model,
    taken_for,
)
from gptcli.config.checks import flag
from gptcli.config.durations import parsed_duration
from gptcli.config.training import OPTIMIZER_NAMES, ORDERS, PRECISIONS, SCHEDULES
from gptcli.errors import UsageError
from gptcli.families.registry import PRESETS, find_preset
from gptcli.runtime.files import is_there
from gptcli.training.defaults import TRAIN_FLAGS, resolve
from gptcli.training.objective_defaults import check_objective_values
from gptcli.training.trackers import TRACKERS

_HELP = "gptcli train --help"
_USUAL_VOCABULARY = 256
_AUTO = "auto"  # of --resume
_LENGTH = "Length, batches and evaluation"
_OPTIMIZER = "Optimizer"
# Of a config file every value is checked, too.
_MAY_CHANGE = (
    "resume", "dataset", "data", "device", "max_iters", "keep", "config", "dry_run", "strict",
    "fsdp", *TRACKERS,
)  # fmt: skip


@dataclass(frozen=True)
class TrainRequest(ModelFlags):
    """A new run, a run to resume, or the list of presets."""

    exclusive = (
        ("preset", "init_from"),
        ("dataset", "data"),
        ("time_budget", "max_iters"),
        ("verify_resume", "out"),
        ("verify_resume", "dry_run"),
        ("verify_resume", "fsdp"),
    )
    alone = MappingProxyType(
        {
            "list_presets": ("device", "precision", "config"),
            "replay": ("device", "precision"),
        }
    )

    dataset: str | None = argument("The dataset, the same as --data.", "DATASET", offer=datasets)
    data: Path | None = option(
        "Directory of the dataset. Default: the newest.", offer=datasets, check=check_dataset
    )
    out: Path | None = option("Directory of the run. Default: runs/NAME, named after the dataset.")
    overwrite: bool = option("Replace an existing run of this name.", default=False)
    preset: str | None = option(
        "A named model, such as lecture or gpt2 (--list-presets shows all).",
        offer=one_of(PRESETS),
    )
    list_presets: bool = option(
        "List the presets and what training them costs on this machine.", default=False
    )
    init_from: Path | None = option(
        "Fine-tune: start from the weights of a run, a Hugging Face directory or a hub id.",
        metavar="CHECKPOINT",
        offer=models,
    )
    config: Path | None = option(
        "A file with values for any of these flags; flags on the command line override it.",
        metavar="FILE.toml",
        is_eager=True,
        callback=read_config_file,
    )
    resume: Path | None = option(
        "Continue a saved run; only --max-iters can be raised, --device and --keep changed. "
        "auto: continue the run that the other flags name, or begin it.",
        metavar="RUN",
        offer=models,
    )
    strict: bool = option(
        "With --resume: refuse a damaged newest save, instead of resuming from the one before it.",
        default=False,
    )
    dry_run: bool = option(
        "Show what the run would take, memory, disk and time, and write nothing.", default=False
    )
    verify_resume: bool = option(
        "Try on a few steps whether an interrupted run ends with the very same weights here.",
        default=False,
    )
    replay: Path | None = option(
        "Repeat a step that went wrong, and show where its numbers stop being finite.",
        metavar="RUN/blackbox",
    )
    fsdp: bool = option(
        "Under torchrun: cut the model into parts, one for each process (FSDP2), since it and its "
        "optimizer are too large for one.",
        default=False,
    )
    device: str = device_option()
    precision: str = option(
        "Precision of matrix products.", default="auto", choices=("auto", *PRECISIONS)
    )

    compile: str = option(
        "Whether to compile the model for this machine; auto does where it saves time.",
        default="auto",
        choices=("auto", "on", "off"),
    )
    tensorboard: bool = option(
        "Also write the figures for TensorBoard, to RUN/tensorboard.", default=False
    )
    wandb: bool = option("Also send the figures to Weights & Biases.", default=False)

    batch_size: int | None = filled(
        "batch_size", _LENGTH, "Sequences, pairs or answers per micro-batch."
    )
    grad_accum: int | None = filled("grad_accum", _LENGTH, "Micro-batches per optimizer step.")
    max_iters: int | None = filled(
        "max_iters", _LENGTH, "Number of optimizer steps; 0 makes an untrained model."
    )
    time_budget: str | None = option(
        "Train for this long, such as 90s, 10m or 2h, with as many steps as fit.",
        panel=_LENGTH,
        metavar="TIME",
    )
    patience: int | None = filled(
        "patience", _LENGTH, "Stop after this many evaluations without a better one."
    )
    eval_interval: int | None = filled(
        "eval_interval", _LENGTH, "Steps between evaluations; each one also saves the run."
    )
    keep: int | None = filled(
        "keep", _LENGTH, "Saves to keep, to resume from; damaged ones do not count."
    )
    eval_batches: int | None = filled(
        "eval_batches", _LENGTH, "Batches in an evaluation. Default: the whole split."
    )
    order: str | None = filled(
        "order",
        _LENGTH,
        "Order of the data: shuffled (each token once an epoch) or random.",
        choices=ORDERS,
    )
    ngram_teacher: float | None = filled(
        "ngram_teacher",
        _LENGTH,
        "Share of every target that is what n-grams of the text expect, at first; 0 for none.",
    )
    deterministic: bool | None = filled(
        "deterministic",
        _LENGTH,
        "Whether any number of processes, and a GPU, end with the same weights; slower.",
        "--deterministic/--no-deterministic",
    )
    seed: int | None = filled("seed", _LENGTH, "Random seed of weights, order and dropout.")

    optimizer: str | None = filled(
        "optimizer",
        _OPTIMIZER,
        "adamw, or muon for the matrices of blocks and AdamW for the rest.",
        choices=OPTIMIZER_NAMES,
    )
    schedule: str | None = filled(
        "schedule",
        _OPTIMIZER,
        "How the learning rate falls; wsd falls straight, at the end.",
        choices=SCHEDULES,
    )
    lr: float | None = filled("lr", _OPTIMIZER, "Peak learning rate, reached after the warm-up.")
    embedding_lr: float | None = filled(
        "embedding_lr", _OPTIMIZER, "Peak rate of the embeddings. Default with AdamW alone: --lr."
    )
    head_lr: float | None = filled(
        "head_lr", _OPTIMIZER, "Peak rate of an untied output layer. Default likewise."
    )
    vector_lr: float | None = filled(
        "vector_lr", _OPTIMIZER, "Peak rate of gains and biases. Default likewise."
    )
    min_lr: float | None = filled(
        "min_lr", _OPTIMIZER, "What --lr falls to; the other rates fall in proportion."
    )
    warmup_iters: int | None = filled(
        "warmup_iters", _OPTIMIZER, "Steps of linear learning-rate warm-up."
    )
    decay_fraction: float | None = filled(
        "decay_fraction", _OPTIMIZER, "Share of the steps over which wsd decays."
    )
    weight_decay: float | None = filled(
        "weight_decay", _OPTIMIZER, "Decoupled weight decay, applied to matrices only."
    )
    momentum: float | None = filled("momentum", _OPTIMIZER, "Muon's momentum.")
    beta1: float | None = filled(
        "beta1", _OPTIMIZER, "AdamW's decay rate of the mean of gradients."
    )
    beta2: float | None = filled(
        "beta2", _OPTIMIZER, "AdamW's decay rate of the mean of squared gradients."
    )
    grad_clip: float | None = filled(
        "grad_clip", _OPTIMIZER, "Clip the gradient to this norm; 0 turns it off."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fsdp and self.compile == "on":
            raise UsageError("--fsdp does not compile the model: leave --compile on or --fsdp out")
        if self.is_language_modeling:
            self._check_values()
        self.check_objective(own_names(TrainRequest, MODEL))
        if self.resume is not None and not self.continues_or_begins:
            self._check_resumes()
        elif not self.is_language_modeling:
            if self.init_from is None:
                raise missing_start(self.objective)
            check_objective_values(self.kind, {**self.shaping, **self.of_objective})

    def _check_resumes(self) -> None:
        for name in own_names(TrainRequest):
            if name not in _MAY_CHANGE and self.is_given(name):
                raise UsageError(
                    f"{flag(name)} cannot change when a run is resumed: leave it out "
                    "(only --max-iters can be raised, --device and --keep changed)"
                )

    def _check_values(self) -> None:
        """Check sizes and rates as a run would, as far as its dataset and device do not matter."""
        given = self.shaping
        name = self.dataset if self.dataset in PRESETS else self.preset
        preset = None if name is None else find_preset(name)
        is_resumed = self.resume is not None and not self.continues_or_begins
        if self.init_from is not None or is_resumed:  # the model is another one
            given = {name: value for name, value in given.items() if name in TRAIN_FLAGS}
        resolve(given, preset, _USUAL_VOCABULARY, "cpu", "float32", 0)

    def understood(self) -> Self:
        """The request with the word for DATASET as what it names: a dataset or a preset."""
        word = self.dataset
        if word is None:
            return self
        if data := local_dataset(word):
            return taken_for(f"data: {data.as_posix()}", self, dataset=None, data=data)
        if word in PRESETS:
            return taken_for(
                f"{word} is a preset: taken as --preset", self, dataset=None, preset=word
            )
        raise UsageError(_no_dataset(word))

    @property
    def continues_or_begins(self) -> bool:
        """Whether to begin a run, or to continue it if it is there, as a requeued job does."""
        return self.resume == Path(_AUTO)

    @property
    def trackers(self) -> tuple[str, ...]:
        """The names of the trackers that are asked for."""
        return tuple(self.given(*TRACKERS))

    @property
    def shaping(self) -> dict[str, Any]:
        """The given ones among the flags of model and training."""
        given = self.given(*MODEL_AND_TRAINING)
        if self.time_budget is not None:
            given["time_budget"] = parsed_duration("time_budget", self.time_budget)
        return given


MODEL_AND_TRAINING = tuple(
    name for panel in (MODEL, _LENGTH, _OPTIMIZER) for name in own_names(TrainRequest, panel)
)
"""The flags that shape the model and its training."""


def _no_dataset(word: str) -> str:
    """Why a word is no dataset, and the command that may be meant."""
    name = shlex.quote(word)
    if run := local_model(word):
        name = shlex.quote(run.as_posix())
        return (
            f"{word} is a model: gptcli train --resume {name} continues a run, "
            f"gptcli train --init-from {name} begins one with its weights"
        )
    if is_file(word) and Path(word).suffix == ".toml":
        return f"{word} is a file of flags: gptcli train --config {name}"
    if is_there(word):
        return f"{word} is no dataset yet: gptcli prepare {name}, then gptcli train"
    return f"{word!r:.60} is no dataset or preset that is here: check the path; see {_HELP}"


def train(request: TrainRequest) -> Answer | None:
    """Train a GPT on a prepared dataset.

    Values that you leave out are chosen for your device and printed: on a GPU those of the lecture,
    on a CPU, and on CUDA with --time-budget, the best that were measured. On a CPU a run takes ten
    minutes. Ctrl-C saves it, and --resume continues it.
    """
    give_way()
    from gptcli.commands.train.run import run

    return run(request)
