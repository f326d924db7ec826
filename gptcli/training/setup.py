"""Makes a TrainingRun from a configuration."""

from contextlib import ExitStack
from pathlib import Path

from gptcli import __version__
from gptcli.checkpoint.manifest import write_manifest
from gptcli.checkpoint.model_files import MODEL_FILES, write_description
from gptcli.checkpoint.resume import Progress
from gptcli.checkpoint.run import (
    MANIFEST_FILE,
    OBJECTIVE_FORMAT,
    RECORD_FILE,
    RESUME_FOLDER,
    RUN_FORMAT,
    DataReference,
    RunRecord,
    write_record,
)
from gptcli.config.objective import LM
from gptcli.config.training import TrainConfig
from gptcli.data.dataset import Dataset
from gptcli.errors import DataError, UsageError
from gptcli.fast.compiled_blocks import compile_blocks
from gptcli.fast.layers import use_fast_layers
from gptcli.model.gpt import GPT
from gptcli.runtime.device import set_deterministic, set_threads
from gptcli.runtime.directories import NewDirectory
from gptcli.runtime.outputs import OutputKind, check_replaceable, timestamp
from gptcli.runtime.world import ALONE, World
from gptcli.training.blackbox import FOLDER as BLACKBOX_FOLDER
from gptcli.training.companions import (
    FirstModels,
    begin_with,
    check_companions_stay,
)
from gptcli.training.defaults import Resolved
from gptcli.training.metrics_log import ANSWERS_FILE, METRICS_FILE
from gptcli.training.ngram_teacher import FEWEST_TOKENS, NgramTeacher, can_teach
from gptcli.training.objective_memory import check_models_fit
from gptcli.training.optimizers import make_optimizers
from gptcli.training.plot import PLOT_FILE
from gptcli.training.preflight import check_disk, check_fits
from gptcli.training.sharding import sharded
from gptcli.training.starting_point import StartingPoint
from gptcli.training.time_budget import TimeBudget, TimePlan
from gptcli.training.trackers import TRACKERS
from gptcli.training.training_run import Repeat, TrainingRun, no_command

RUN = OutputKind(
    "run",
    RECORD_FILE,
    RUN_FORMAT,
    frozenset(
        {
            RECORD_FILE,
            METRICS_FILE,
            ANSWERS_FILE,
            PLOT_FILE,
            RESUME_FOLDER,
            BLACKBOX_FOLDER,
            MANIFEST_FILE,
            *TRACKERS,
            *MODEL_FILES,
        }
    ),
    (OBJECTIVE_FORMAT,),
)


def begin_training(
    directory: Path,
    resolved: Resolved,
    preset: str | None,
    dataset: Dataset,
    overwrite: bool = False,
    start: StartingPoint | None = None,
    budget: TimeBudget | None = None,
    repeat: Repeat = no_command,
    world: World = ALONE,
) -> TrainingRun:
    """Begin a run: write its files, all but the weights, and make a model for it.

    The initial weights are random, or those of ``start``. The run is built beside ``directory``,
    where an old one stays as it is until the first save of the new one takes its place. With a
    ``budget`` the number of iterations is provisional, and ``repeat`` makes the command that
    trains the same by the final number.
    """
    config = resolved.training
    begun = _checked(directory, resolved, dataset, overwrite, start, world.parts)
    record = RunRecord(
        created=timestamp(),
        version=__version__,
        preset=preset,
        model=resolved.model,
        training=config,
        data=_reference(dataset),
        init_from=begun.origin,
        time_budget=None if budget is None else budget.seconds,
        repeat=None if budget is None else repeat(config),
        objective=resolved.objective,
        reward=begun.companions.reward_origin,
    )
    place = NewDirectory.beside(directory)
    with ExitStack() as after_failure:
        after_failure.callback(place.discard)
        training = _begun(place, resolved, dataset, begun, world)
        training.plan = None if budget is None else TimePlan(budget)
        training.repeat = repeat
        write_description(place.directory, resolved.model, dataset.tokenizer)
        write_manifest(place.directory)
        write_record(place.directory, record)
        after_failure.pop_all()
    return training


def rehearse_training(
    directory: Path,
    resolved: Resolved,
    dataset: Dataset,
    overwrite: bool = False,
    start: StartingPoint | None = None,
    world: World = ALONE,
) -> TrainingRun:
    """The run that ``begin_training`` would begin, with all its checks; nothing is written."""
    begun = _checked(directory, resolved, dataset, overwrite, start, world.parts)
    nowhere = NewDirectory(directory, directory / "unwritten")
    return _begun(nowhere, resolved, dataset, begun, world)


def join_training(
    resolved: Resolved,
    dataset: Dataset,
    start: StartingPoint | None = None,
    budget: TimeBudget | None = None,
    world: World = ALONE,
) -> TrainingRun:
    """What ``begin_training`` makes, for the other processes that train with the first.

    They write nothing, and so have no directory.
    """
    _check_room(resolved, dataset, world.parts)
    begun = begin_with(resolved, dataset, start)
    nowhere = NewDirectory.existing(Path("the run of the first process"))
    training = _begun(nowhere, resolved, dataset, begun, world)
    training.plan = None if budget is None else TimePlan(budget)
    return training


def _checked(
    directory: Path,
    resolved: Resolved,
    dataset: Dataset,
    overwrite: bool,
    start: StartingPoint | None,
    parts: int,
) -> FirstModels:
    """What a run that can be begins with: long enough data, a free place, enough memory."""
    check_replaceable(directory, overwrite, RUN)
    check_companions_stay(directory, resolved.objective, start)
    _check_room(resolved, dataset, parts)
    check_disk(resolved.model, resolved.training, directory, resolved.training.keep)
    return begin_with(resolved, dataset, start)


def _check_room(resolved: Resolved, dataset: Dataset, parts: int) -> None:
    """Raise an error where the text is too short, or the memory of the device too small."""
    if resolved.objective == LM:
        check_length(dataset, resolved.model.block_size)
        check_fits(resolved.model, resolved.training, dataset.train.n_tokens, parts=parts)
    else:
        check_models_fit(resolved.model, resolved.objective, resolved.training.device)


def _begun(
    place: NewDirectory, resolved: Resolved, dataset: Dataset, begun: FirstModels, world: World
) -> TrainingRun:
    """The TrainingRun of a new run."""
    training = assemble(place, resolved.training, dataset, begun.model, Progress(), world)
    training.objective, training.material = resolved.objective, resolved.material
    training.reference = begun.companions.reference
    training.reward = begun.companions.reward
    return training


def check_length(dataset: Dataset, block_size: int) -> None:
    """DataError where the training split is shorter than one context, or has no target."""
    n_tokens = dataset.train.n_tokens
    if n_tokens < 2:
        raise DataError(
            f"{dataset.directory} has too little text to train on (training tokens: {n_tokens}): "
            "prepare more text"
        )
    if n_tokens <= block_size:
        raise DataError(
            f"{dataset.directory} has {n_tokens:,} training tokens, but a context of "
            f"{block_size:,} needs {block_size + 1:,}: try --block-size {max(1, n_tokens // 4)} "
            "or more text"
        )
    if not dataset.train.n_targets:
        raise DataError(
            f"{dataset.directory} has no training token that counts in the loss: "
            "prepare it again, with completions that are not empty"
        )


def _reference(dataset: Dataset) -> DataReference:
    return DataReference(
        directory=dataset.directory.as_posix(),
        dataset=dataset.identity,
        tokenizer=dataset.tokenizer.identity,
        source=dict(dataset.source),
    )


def assemble(
    place: NewDirectory,
    config: TrainConfig,
    dataset: Dataset,
    model: GPT,
    progress: Progress,
    world: World,
) -> TrainingRun:
    """The TrainingRun of a model on its device, with the configured threads and optimizers."""
    set_threads(config.threads)
    set_deterministic(config.deterministic)
    model = use_fast_layers(model).to(config.device)
    if config.compile and config.device == "cpu":  # on CUDA the stepper compiles all of it
        compile_blocks(model)
    if world.is_sharded:
        model = sharded(model, world)
    optimizers, teacher = make_optimizers(model, config), _teacher(dataset, config, model)
    return TrainingRun(place, config, dataset, model, optimizers, progress, teacher, world=world)


def _teacher(dataset: Dataset, config: TrainConfig, model: GPT) -> NgramTeacher | None:
    """The counts that a model learns from, if it does; UsageError where there can be none."""
    if not config.ngram_teacher:
        return None
    # A checkpoint may have a larger vocabulary than its tokenizer.
    n_tokens, vocab_size = dataset.train.n_tokens, model.config.vocab_size
    if dataset.train.is_masked or not can_teach(n_tokens, vocab_size):
        text = f"{n_tokens:,} training tokens of a vocabulary of {vocab_size:,}"
        what = "answers" if dataset.train.is_masked else text
        raise UsageError(
            f"--ngram-teacher is for plain texts of {FEWEST_TOKENS:,} tokens or more in a small "
            f"vocabulary: {dataset.directory} has {what}; leave it out"
        )
    return NgramTeacher(dataset.train, vocab_size, config.device)
