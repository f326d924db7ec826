"""``gptcli train``: from a dataset to a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from gptcli.commands.legacy_options import Device, Json, with_options
from gptcli.commands.train.config_file import ConfigFile
from gptcli.commands.train.flags import train_flags
from gptcli.commands.view.terminal import detail, note, warn
from gptcli.config.checks import flag
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from gptcli.config.training import Precision
    from gptcli.data.dataset import Dataset
    from gptcli.training.loop import Training
    from gptcli.training.starting_point import StartingPoint

_SMALLER = "choose a smaller model, --batch-size or --block-size"


def train(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Dataset directory. Default: the newest.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Run directory. Default: runs/DATASET.", show_default=False),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run at --out or the default name.")
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset", help="A model by name, such as lecture or gpt2.", show_default=False
        ),
    ] = None,
    list_presets: Annotated[
        bool,
        typer.Option("--list-presets", help="The models by name, and what they cost here."),
    ] = False,
    init_from: Annotated[
        Path | None,
        typer.Option(
            "--init-from",
            metavar="CHECKPOINT",
            help="Begin with its weights: a run, a Hugging Face directory or hub id.",
            show_default=False,
        ),
    ] = None,
    config: ConfigFile = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Go on with a run as it was; only --max-iters may grow.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    precision: Annotated[
        str, typer.Option("--precision", help="auto, float32 or bfloat16.")
    ] = "auto",
    json_output: Json = False,
    **flags: Any,
) -> None:
    """Train a GPT on a prepared dataset.

    What is left out is filled in for the device and said: on a GPU the lecture's values,
    on a CPU a run of about ten minutes. Ctrl-C saves; --resume goes on.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if list_presets:
        _list_presets(device, precision, json_output)
    elif resume is not None:
        _refuse_flags_with_resume(context, given)
        _continue(resume, data, given.get("max_iters"), json_output)
    else:
        asked = _Request(data, out, overwrite, preset, init_from, device, precision)
        _begin(given, asked, json_output)


train_command = with_options(train, train_flags(), None)


@dataclass(frozen=True)
class _Request:
    """What a new run is asked for, beside the flags that shape model and training."""

    data: Path | None
    out: Path | None
    overwrite: bool
    preset: str | None
    init_from: Path | None
    device: str
    precision: str

    def __post_init__(self) -> None:
        if self.preset is not None and self.init_from is not None:
            raise UsageError("--preset and --init-from both choose a model: leave one of them out")


def _begin(given: dict[str, Any], asked: _Request, json_output: bool) -> None:
    from gptcli.checkpoint.find import RUNS
    from gptcli.commands.choices import chosen_dataset, chosen_device
    from gptcli.data.dataset import Dataset
    from gptcli.families.registry import find_preset
    from gptcli.runtime.device import get_threads, memory_errors
    from gptcli.runtime.locks import exclusive
    from gptcli.runtime.outputs import output_path
    from gptcli.training.defaults import resolve
    from gptcli.training.setup import begin_training, check_length

    model = None if asked.preset is None else find_preset(asked.preset)
    dataset = Dataset.open(chosen_dataset(asked.data))
    start, vocab_size = None, dataset.vocab_size
    if asked.init_from is not None:
        start = _starting_point(asked.init_from, dataset)
        model, vocab_size = start.preset(given), start.model.vocab_size
    device = chosen_device(asked.device)
    computed = _chosen_precision(asked.precision, device)
    threads = get_threads() if device == "cpu" else 0
    resolved = resolve(given, model, vocab_size, device, computed, threads)
    note("filled in: " + _as_flags(resolved.filled))
    detail(f"model: {resolved.model}")
    detail(f"training: {resolved.training}")
    check_length(dataset, resolved.model.block_size)
    name = dataset.directory.resolve().name
    directory = output_path(asked.out, RUNS, name, asked.overwrite)
    with memory_errors(_SMALLER), exclusive(directory):
        training = begin_training(
            directory, resolved, asked.preset, dataset, asked.overwrite, start
        )
        _run(training, asked.preset, given, json_output)


def _starting_point(checkpoint: Path, dataset: "Dataset") -> "StartingPoint":
    from gptcli.commands.choices import chosen_model
    from gptcli.generation.loaded_model import check_same_tokenizer
    from gptcli.tokenization.loading import load_tokenizer
    from gptcli.training.starting_point import StartingPoint

    start = StartingPoint.at(chosen_model(checkpoint))
    check_same_tokenizer(start.directory, load_tokenizer(start.directory), dataset)
    return start


def _chosen_precision(asked: str, device: str) -> "Precision":
    from gptcli.runtime.device import choose_precision

    choice = choose_precision(asked, device)
    note(f"precision: {choice.value} ({choice.reason})")
    return cast("Precision", choice.value)


def _list_presets(device: str, precision: str, json_output: bool) -> None:
    from gptcli.commands.choices import chosen_device
    from gptcli.commands.train.presets import presets_answer
    from gptcli.commands.view.output import Output, give
    from gptcli.training.pace import measure_pace

    device = chosen_device(device)
    computed = _chosen_precision(precision, device)
    note("measuring the pace of this device on two small models")
    answer = presets_answer(device, computed, measure_pace(device, computed))
    give(answer, Output("json" if json_output else "table"))


def _continue(run: Path, data: Path | None, max_iters: int | None, json_output: bool) -> None:
    from gptcli.checkpoint.find import model_directory
    from gptcli.checkpoint.resume import clear_stale_steps
    from gptcli.checkpoint.run import read_record
    from gptcli.commands.choices import dataset_of
    from gptcli.data.dataset import Dataset
    from gptcli.runtime.device import choose_device, memory_errors
    from gptcli.runtime.locks import exclusive
    from gptcli.training.setup import continue_training

    directory = model_directory(run)
    with memory_errors(_SMALLER), exclusive(directory):
        record = read_record(directory)
        choose_device(record.training.device)
        dataset = Dataset.open(dataset_of(directory, data))
        clear_stale_steps(directory)
        training, problems = continue_training(directory, record, dataset, max_iters)
        for problem in problems:
            warn(f"{problem}; going on from the save before it")
        note(f"resuming {directory.as_posix()} at step {training.progress.step:,}")
        _run(training, record.preset, {}, json_output)


def _run(
    training: "Training", preset: str | None, given: dict[str, Any], json_output: bool
) -> None:
    from gptcli.commands.train.train_view import TrainView, announce, summarize
    from gptcli.runtime.signals import stop_requests
    from gptcli.training.loop import run_training

    with stop_requests() as stop:
        announce(training, preset, given, stop)
        with TrainView(training) as view:
            progress = run_training(training, view, stop)
    summarize(training, progress, view.seconds, json_output)


def _as_flags(values: Mapping[str, Any]) -> str:
    return "  ".join(f"{flag(name)} {value}" for name, value in values.items())


def _refuse_flags_with_resume(context: typer.Context, given: dict[str, Any]) -> None:
    untouched: dict[str, object] = {"out": None, "preset": None, "config": None, "overwrite": False}
    untouched |= {"device": "auto", "precision": "auto", "init_from": None}
    extra = [name for name in given if name != "max_iters"]
    extra += [name for name, value in untouched.items() if context.params[name] != value]
    if extra:
        raise UsageError(
            f"{flag(extra[0])} cannot change in a run that is resumed: leave it out "
            "(only --max-iters may grow)"
        )
