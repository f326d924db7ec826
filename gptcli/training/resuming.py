"""Goes on with an interrupted run: from its newest save, on the same data, with its companions."""

from dataclasses import asdict, replace
from pathlib import Path

from gptcli.checkpoint.manifest import check_description
from gptcli.checkpoint.resume import load_newest_step
from gptcli.checkpoint.run import RECORD_FILE, RunRecord, check_record, mark_saved, write_record
from gptcli.config.model import ModelConfig
from gptcli.config.objective import LM, is_policy
from gptcli.data.dataset import Dataset
from gptcli.errors import CheckpointError, UsageError
from gptcli.model.initialization import model_with
from gptcli.runtime.device import threads_on
from gptcli.runtime.directories import NewDirectory
from gptcli.runtime.world import ALONE, World
from gptcli.training.companions import check_companions, companions_again
from gptcli.training.material import common_context, material_of
from gptcli.training.objective_memory import check_models_fit
from gptcli.training.optimizers import restore_optimizers
from gptcli.training.preflight import check_disk, check_fits
from gptcli.training.protocol import split_state
from gptcli.training.setup import assemble
from gptcli.training.training_run import TrainingRun


def continue_training(
    directory: Path,
    record: RunRecord,
    dataset: Dataset,
    max_iters: int | None,
    device: str | None = None,
    is_strict: bool = False,
    world: World = ALONE,
    keep: int | None = None,
) -> tuple[TrainingRun, list[str]]:
    """Continue a run from its newest intact save; also returns what was wrong with newer ones.

    Only the number of iterations may change, and only grow, the device, and how many saves are
    kept. If ``is_strict``, the newest save must be intact.
    """
    grown = grown_record(record, max_iters, device, keep)
    training, problems = resumed_training(directory, grown, dataset, is_strict, world)
    if grown != record:
        write_record(directory, grown)
    mark_saved(directory)
    return training, problems


def grown_record(
    record: RunRecord, max_iters: int | None, device: str | None, keep: int | None = None
) -> RunRecord:
    """The record of a run with what may change when it is resumed."""
    moved = _moved(_grown(record, max_iters), device)
    if keep is None:
        return moved
    return replace(moved, training=replace(moved.training, keep=keep))


def resumed_training(
    directory: Path,
    record: RunRecord,
    dataset: Dataset,
    is_strict: bool = False,
    world: World = ALONE,
) -> tuple[TrainingRun, list[str]]:
    """What ``continue_training`` returns; nothing is written."""
    check_same_data(record, dataset)
    check_description(directory)
    check_companions(record)
    objective, material = record.objective, None
    if objective == LM:
        check_fits(record.model, record.training, dataset.train.n_tokens, directory, world.parts)
    else:
        check_models_fit(record.model, objective, record.training.device)
        room, reward = None, None
        if is_policy(objective):
            room, reward = objective.max_new_tokens, objective.reward
        context = common_context(record.model.block_size, reward)
        material = material_of(type(objective), dataset, context, room)
    check_disk(record.model, record.training, directory, n_saves=1)
    snapshot, problems = load_newest_step(directory, is_strict)
    _check_same_model(record, snapshot.config, directory)
    companions = companions_again(record, dataset)
    if is_strict:
        check_record(directory)
    model = model_with(record.model, snapshot.weights)
    place = NewDirectory.existing(directory)
    training = assemble(place, record.training, dataset, model, snapshot.progress, world)
    training.objective, training.material = objective, material
    training.reference, training.reward = companions.reference, companions.reward
    own, training.saved_state = split_state(snapshot.optimizer)
    restore_optimizers(training.optimizers, training.model, own)
    return training, problems


def check_same_data(record: RunRecord, dataset: Dataset) -> None:
    """CheckpointError where the dataset is not the one that the run was begun with."""
    if not dataset.has_identity(record.data.dataset):
        raise CheckpointError(
            f"{dataset.directory} is not the data of this run "
            f"(dataset {dataset.identity[:12]}, the run has {record.data.dataset[:12]}): "
            "name the right one with --data, or begin a new run"
        )


def _check_same_model(record: RunRecord, saved: ModelConfig, directory: Path) -> None:
    before, now = asdict(record.model), asdict(saved)
    differing = [name for name in before if before[name] != now[name]]
    if differing:
        raise CheckpointError(
            f"{directory / RECORD_FILE} and the saved model differ in {', '.join(differing)}: "
            "put the file back as it was"
        )


def _grown(record: RunRecord, max_iters: int | None) -> RunRecord:
    before = record.training.max_iters
    if max_iters is None:
        return record
    if max_iters < before:
        raise UsageError(
            f"--max-iters {max_iters} is below the run's {before}: it can only be raised"
        )
    if max_iters == before:
        return record
    return replace(record, training=replace(record.training, max_iters=max_iters), repeat=None)


def _moved(record: RunRecord, device: str | None) -> RunRecord:
    """The record for another device; on a CPU the number of threads is recorded, too."""
    if device is None or device == record.training.device:
        return record
    threads = threads_on(device, record.training.deterministic)
    moved = replace(record.training, device=device, threads=threads)
    return replace(record, training=moved, repeat=None)
