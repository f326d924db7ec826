"""From a configuration, or from a run that was interrupted, to a Training in memory."""

import shutil
from dataclasses import replace
from pathlib import Path

from gptcli import __version__
from gptcli.checkpoint.files import write_description
from gptcli.checkpoint.resume import Progress, load_newest_step
from gptcli.checkpoint.run import RECORD_FILE, DataReference, RunRecord, write_record
from gptcli.config.training import TrainConfig
from gptcli.data.dataset import Dataset
from gptcli.errors import CheckpointError, DataError, UsageError
from gptcli.model.gpt import GPT
from gptcli.model.initialization import model_with, new_model
from gptcli.runtime.device import set_threads
from gptcli.runtime.files import reported
from gptcli.runtime.names import timestamp
from gptcli.runtime.seeds import derive_seed
from gptcli.training.defaults import Resolved
from gptcli.training.loop import Training
from gptcli.training.optimizer import make_optimizer, restore_optimizer


def begin_training(
    directory: Path, resolved: Resolved, preset: str | None, dataset: Dataset
) -> Training:
    """A fresh run: its directory with all but weights, and a model with initial weights."""
    config = resolved.training
    check_length(dataset, resolved.model.block_size)
    with reported(directory):
        directory.mkdir(parents=True, exist_ok=True)
    write_description(directory, resolved.model, dataset.tokenizer)
    record = RunRecord(
        created=timestamp(),
        version=__version__,
        preset=preset,
        model=resolved.model,
        training=config,
        data=_reference(dataset),
    )
    write_record(directory, record)
    model = new_model(resolved.model, derive_seed(config.seed, "weights"))
    return _assemble(directory, config, dataset, model, Progress())


def continue_training(
    directory: Path, record: RunRecord, dataset: Dataset, max_iters: int | None
) -> tuple[Training, list[str]]:
    """A run as it was at its newest whole save, and what was wrong with newer ones.

    Only the number of iterations may change, and only grow.
    """
    check_same_data(record, dataset)
    grown = _grown(record, max_iters)
    snapshot, problems = load_newest_step(directory)
    model = model_with(record.model, snapshot.weights)
    training = _assemble(directory, grown.training, dataset, model, snapshot.progress)
    restore_optimizer(training.optimizer, training.model, snapshot.optimizer)
    if grown != record:
        write_record(directory, grown)
    return training, problems


def make_room(directory: Path, overwrite: bool) -> None:
    """Remove an old run where that was asked for; call it under the run's lock.

    UsageError for a directory that is something else, or that must not be replaced.
    """
    if not directory.exists():
        return
    if not overwrite:
        raise UsageError(f"{directory} exists: choose another --out, or --overwrite to replace it")
    is_run = (directory / RECORD_FILE).is_file() and not directory.is_symlink()
    if not is_run and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is no run: remove it yourself or choose another --out")
    with reported(directory):
        shutil.rmtree(directory)


def check_length(dataset: Dataset, block_size: int) -> None:
    """DataError where the training split is shorter than one context and its targets."""
    n_tokens = dataset.train.n_tokens
    if n_tokens <= block_size:
        raise DataError(
            f"{dataset.directory} has {n_tokens:,} training tokens, a context of {block_size:,} "
            f"needs {block_size + 1:,}: try --block-size {max(1, n_tokens // 4)} or more text"
        )


def check_same_data(record: RunRecord, dataset: Dataset) -> None:
    """CheckpointError where the dataset is not the one that the run was begun with."""
    if dataset.identity != record.data.dataset:
        raise CheckpointError(
            f"{dataset.directory} is not the data of this run "
            f"(dataset {dataset.identity[:12]}, the run has {record.data.dataset[:12]}): "
            "name the right one with --data, or begin a new run"
        )


def _reference(dataset: Dataset) -> DataReference:
    return DataReference(
        directory=dataset.directory.as_posix(),
        dataset=dataset.identity,
        tokenizer=dataset.tokenizer.identity,
        source=dict(dataset.source),
    )


def _grown(record: RunRecord, max_iters: int | None) -> RunRecord:
    before = record.training.max_iters
    if max_iters is None:
        return record
    if max_iters < before:
        raise UsageError(f"--max-iters {max_iters} is below the run's {before}: it can only grow")
    return replace(record, training=replace(record.training, max_iters=max_iters))


def _assemble(
    directory: Path, config: TrainConfig, dataset: Dataset, model: GPT, progress: Progress
) -> Training:
    set_threads(config.threads)
    model = model.to(config.device)
    return Training(directory, config, dataset, model, make_optimizer(model, config), progress)
