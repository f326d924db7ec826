"""Runs ``train``: begins a run, resumes one, or lists the presets."""

import time
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gptcli.checkpoint.find import model_directory
from gptcli.checkpoint.resume import clear_stale_steps
from gptcli.checkpoint.run import RUNS, change_of_record, read_record
from gptcli.commands.choices import dataset_of
from gptcli.commands.computing import chosen_device, chosen_precision
from gptcli.commands.train.command import TrainRequest
from gptcli.commands.train.new_run import (
    can_compile,
    compiled_where_worth,
    dataset_for,
    resolver,
    say_what_is_chosen,
    starting_point,
)
from gptcli.commands.train.objective_choice import check_processes
from gptcli.commands.train.preflight_view import PlannedLength, dry_run
from gptcli.commands.train.preset_costs import preset_costs
from gptcli.commands.train.repetition import repeating_command, repetition_note
from gptcli.commands.train.replay import replayed
from gptcli.commands.train.result_view import result
from gptcli.commands.train.run_view import RunView, announce, say_stopping, title_of
from gptcli.commands.train.unfinished import unfinished_run
from gptcli.commands.train.verify_resume import resume_verified
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.terminal import Verbosity, note, set_verbosity, warn
from gptcli.config.training import TrainConfig
from gptcli.data.dataset import Dataset
from gptcli.errors import DivergedError, TrainingStopped
from gptcli.evaluation.processes import joined
from gptcli.runtime.device import choose_device
from gptcli.runtime.directories import discarded_unless_committed, remove_stale
from gptcli.runtime.freed_memory import keep_freed_memory
from gptcli.runtime.locks import exclusive
from gptcli.runtime.outputs import output_path
from gptcli.runtime.process_start import process_began
from gptcli.runtime.signals import StopRequest, stop_requests
from gptcli.runtime.world import World, restarts
from gptcli.training.estimate import (
    iters_in_time,
    measure_pace,
    measure_timing,
)
from gptcli.training.loop import run_training
from gptcli.training.preflight import training_memory_errors
from gptcli.training.reporter import Reporter
from gptcli.training.resuming import continue_training, grown_record, resumed_training
from gptcli.training.setup import begin_training, check_length, join_training, rehearse_training
from gptcli.training.sharding import check_can_shard
from gptcli.training.time_budget import TimeBudget, TimePlan
from gptcli.training.trackers import Trackers, check_trackers
from gptcli.training.training_run import TrainingRun


def run(request: TrainRequest) -> Answer | None:
    """Train as the flags say, to the last step or until Ctrl-C.

    Under torchrun the processes train one model; all but the first are silent and answer None.
    """
    if request.list_presets:
        return _list_presets(request)
    if request.replay is not None:
        return replayed(request.replay, request)
    check_trackers(request.trackers)
    kind = choose_device(request.device).value.partition(":")[0]
    with stop_requests(say_stopping) as stop, joined(kind) as world:
        parts = world.size if request.fsdp else 1
        if request.dry_run:  # the first process sees to it alone
            return None if world.rank else _run(_Job(request, stop, World(parts=parts)))
        job = _Job(request, stop, replace(world, parts=parts))
        if not world.rank:
            return _run(job)
        set_verbosity(Verbosity(quiet=True))
        try:
            _run(job)
        except (TrainingStopped, DivergedError) as error:  # the first process says so for all
            raise SystemExit(error.exit_code) from None
        return None


@dataclass(frozen=True)
class _Job:
    """What was asked for, whether to stop, and which of several processes this is."""

    request: TrainRequest
    stop: StopRequest
    world: World


def _run(job: _Job) -> Answer:
    resumed = job.request.resume
    if job.request.continues_or_begins or (resumed is None and restarts()):
        resumed = unfinished_run(job.request, job.world)
    return _begin(job) if resumed is None else _continue(resumed, job)


def _begin(job: _Job) -> Answer:
    request, stop = job.request, job.stop
    given, dataset = request.shaping, dataset_for(request)
    if request.fsdp:
        given.setdefault("optimizer", "adamw")  # Muon needs whole matrices
    start = None if request.init_from is None else starting_point(request, dataset)
    resolve_here = resolver(request, dataset, start, job.world)
    resolved = resolve_here(given)
    if request.is_language_modeling:
        check_length(dataset, resolved.model.block_size)
    if request.fsdp:
        check_can_shard(resolved.training, job.world, resolved.objective)
    resolved = compiled_where_worth(request, resolved)
    say_what_is_chosen(resolved)
    if request.verify_resume:
        return resume_verified(resolved, dataset, start, stop)
    budget = None
    if resolved.time_budget is not None:
        budget = TimeBudget(
            resolved.time_budget, process_began(), "eval_interval" in given, resolved.most_iters
        )

    def repeat(config: TrainConfig) -> str | None:
        return repeating_command(request, dataset.directory, resolved.model, config, resolve_here)

    if job.world.rank:
        return _train(join_training(resolved, dataset, start, budget, job.world), job)
    name = dataset.directory.resolve().name
    directory = output_path(request.out, RUNS, name, request.overwrite)
    explained = training_memory_errors(
        resolved.model, resolved.training, None, resolved.objective, job.world.parts
    )
    if request.dry_run:
        with explained:
            training = rehearse_training(
                directory, resolved, dataset, request.overwrite, start, job.world
            )
        return _planned(training, budget, stop)
    with explained, exclusive(directory):
        remove_stale(directory.parent, directory.name)
        if stop:
            raise stop.before_first_step()
        training = begin_training(
            directory, resolved, request.preset, dataset, request.overwrite, start, budget, repeat,
            job.world,
        )  # fmt: skip
        with discarded_unless_committed(training.place):
            return _train(training, job, request.preset, given)


def _continue(run_directory: Path, job: _Job) -> Answer:
    request, stop = job.request, job.stop
    directory = model_directory(run_directory)
    with nullcontext() if job.world.rank else exclusive(directory):
        record, changed = read_record(directory), change_of_record(directory)
        check_processes(type(record.objective), job.world)
        device = request.device if request.is_given("device") else record.training.device
        if choose_device(device).value == "cpu":
            keep_freed_memory()
        if request.fsdp:
            check_can_shard(record.training, job.world, record.objective)
        if record.training.compile and (request.fsdp or not can_compile(request, device)):
            record = replace(record, training=replace(record.training, compile=False))
        dataset = Dataset.open(dataset_of(directory, request.data))
        explained = training_memory_errors(
            record.model, record.training, directory, record.objective, job.world.parts
        )
        if request.dry_run:
            grown = grown_record(record, request.max_iters, device, request.keep)
            with explained:
                training, _ = resumed_training(directory, grown, dataset, request.strict, job.world)
            return _planned(training, None, stop)
        if job.world.rank:
            grown = grown_record(record, request.max_iters, device, request.keep)
            training, _ = resumed_training(directory, grown, dataset, request.strict, job.world)
            return _train(training, job, record.preset)
        remove_stale(directory.parent, directory.name)
        clear_stale_steps(directory)
        with explained:
            training, problems = continue_training(
                directory, record, dataset, request.max_iters, device, request.strict, job.world,
                request.keep,
            )  # fmt: skip
        for problem in problems:
            warn(f"{problem}; resuming from the save before it")
        if changed:
            warn(f"{changed}; now it is used as it is")
        note(f"resuming {directory.as_posix()} at step {training.progress.step:,}")
        return _train(training, job, record.preset)


def _planned(training: TrainingRun, budget: TimeBudget | None, stop: StopRequest) -> Answer:
    """What the run would take; its steps are measured, or planned to fit into the time.

    Those of a model in parts are not, since that takes all processes.
    """
    if training.world.parts > 1:
        seconds = None if budget is None else budget.seconds
        length = PlannedLength(training.config.max_iters, seconds, budget is not None)
        return dry_run(training, training.preflight(), length)
    began = time.monotonic()
    timing, time_used = measure_timing(training, stop), None
    if budget is not None:  # of a run, in which nothing is measured before the first step
        budget = replace(budget, began=budget.began + time.monotonic() - began)
        TimePlan(budget).check_has_time(timing.step, 2 * timing.evaluation)
        iters = iters_in_time(budget, timing)
        training.config = replace(training.config, max_iters=iters)
        time_used = None if iters == budget.most_iters else budget.seconds
    config = training.config
    seconds = time_used or timing.of_rest(config, training.progress)
    return dry_run(
        training,
        training.preflight(),
        PlannedLength(config.max_iters, seconds, time_used is not None),
    )


def _train(
    training: TrainingRun,
    job: _Job,
    preset: str | None = None,
    given: Mapping[str, Any] = MappingProxyType({}),
) -> Answer:
    request, stop = job.request, job.stop
    if job.world.rank:
        return result(training, run_training(training, Reporter(), stop), 0.0)
    training.title = title_of(training)
    created = read_record(training.directory).created
    training.trackers = Trackers(
        request.trackers,
        ident=f"{training.name} {created}",
        title=training.title,
        first=training.progress.step,
    )
    estimate = announce(training, preset, given, stop)
    with RunView(training, stop, estimate) as view, closing(training.trackers):
        progress = run_training(training, view, stop)
    record = read_record(training.directory)
    why_not = training.plan.unrepeatable if training.plan else None
    if text := repetition_note(record, why_not):
        note(text)
    return result(training, progress, view.seconds)


def _list_presets(request: TrainRequest) -> Answer:
    device = chosen_device(request.device)
    precision = chosen_precision(request.precision, device)
    note("measuring the speed of this device on two small models")
    return preset_costs(device, precision, measure_pace(device, precision))
