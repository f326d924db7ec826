"""How long training takes: a given run, and any model from the measured pace of this device."""

import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from gptcli.accounting.flops import sequence_flops
from gptcli.checkpoint.resume import Progress
from gptcli.config.model import ModelConfig
from gptcli.config.objective import LM
from gptcli.config.training import Precision, TrainConfig
from gptcli.fast.compiled_blocks import uncompiled
from gptcli.fast.layers import use_fast_layers
from gptcli.model.gpt import next_token_loss
from gptcli.model.initialization import new_model
from gptcli.runtime.device import autocast
from gptcli.runtime.signals import StopRequest
from gptcli.training.defaults import Resolved
from gptcli.training.objectives import objective_of
from gptcli.training.optimizers import make_optimizers
from gptcli.training.protocol import Objective
from gptcli.training.recipe import CUDA_FLOPS
from gptcli.training.time_budget import EVALUATIONS, TimeBudget
from gptcli.training.training_run import TrainingRun

_REHEARSED_TOKENS = 2048
_LEAST_REHEARSALS, _LEAST_SECONDS = 3, 0.5
_SHORT = 0.5  # seconds of a micro-batch that is measured whole
_LONG = 5.0  # seconds after which no further repetition is needed
_COMPILED = 0.8  # of the time of a step that is not
# One is nearly all overhead, the other nearly all arithmetic.
_SMALL = ModelConfig(n_layer=2, n_head=2, n_embd=32, block_size=8, vocab_size=64)
_LARGE = ModelConfig(n_layer=2, n_head=8, n_embd=512, block_size=128, vocab_size=4096)
_ROWS = 4
_REPEATS = 3
_LEAST_ARITHMETIC = 0.1  # of the large model's time
# From how many seconds of training on, and the usual FLOP/s that are not compiled: on two cores,
# and on an H100.
_WORTH_COMPILING = {"cpu": (50.0, 150e9), "cuda": (60.0, CUDA_FLOPS)}


@dataclass(frozen=True)
class Timing:
    """Seconds of an optimizer step, and of an evaluation of both splits, as measured."""

    step: float
    evaluation: float

    def of_rest(self, config: TrainConfig, progress: Progress) -> float:
        """Seconds that the remaining steps and evaluations of a run take."""
        first = -(-progress.step // config.eval_interval)
        evaluations = config.max_iters // config.eval_interval - first + 1
        evaluations += config.max_iters % config.eval_interval > 0
        evaluations -= progress.evaluated_step == progress.step
        return (config.max_iters - progress.step) * self.step + evaluations * self.evaluation


def measure_timing(training: TrainingRun, stop: StopRequest) -> Timing:
    """Measure a few steps and a part of an evaluation; does not change the training."""
    with training.memory_errors():
        objective = objective_of(training)
        return Timing(_step_seconds(training, objective, stop), objective.evaluation_seconds())


def iters_in_time(budget: TimeBudget, timing: Timing) -> int:
    """About how many steps fit into a time; the run itself plans as it goes."""
    left = budget.seconds - budget.elapsed - (EVALUATIONS + 1) * timing.evaluation
    most = budget.most_iters or math.inf
    return max(1, int(min(left / timing.step, most)))


def estimate_seconds(training: TrainingRun, stop: StopRequest) -> float:
    """Seconds that the remaining steps and evaluations take; does not change the training."""
    return measure_timing(training, stop).of_rest(training.config, training.progress)


def _step_seconds(training: TrainingRun, objective: Objective, stop: StopRequest) -> float:
    """Seconds that an optimizer step takes: its gradients and its update.

    On a CPU time grows with the rows, so of a large batch a part is enough, which is not compiled,
    since that is done for one number of rows; a GPU needs the whole batch.
    """
    batch_size, block_size = training.config.batch_size, training.model.config.block_size
    rows = batch_size
    if training.config.device == "cpu":
        rows = max(1, min(batch_size, _REHEARSED_TOKENS // block_size))
    training.model.train()
    is_eager = training.config.compile and rows < batch_size
    with uncompiled(is_eager):
        seconds = _usual_seconds(lambda: objective.rehearse(rows), stop)
    seconds *= _COMPILED if is_eager else 1
    if seconds * batch_size / rows < _SHORT:
        seconds, rows = _usual_seconds(lambda: objective.rehearse(batch_size), stop), batch_size
    own_rows = training.config.rows_per_iter / training.world.size
    return seconds * own_rows / rows + _update_seconds(training, stop)


def _update_seconds(training: TrainingRun, stop: StopRequest) -> float:
    """Seconds that the optimizers take, measured on a copy of the model."""
    model = copy.deepcopy(training.model)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 1e-3)
    optimizers = make_optimizers(model, training.config)

    def update() -> None:
        for optimizer in optimizers:
            optimizer.step()
        float(next(model.parameters()).detach().flatten()[0])  # waits for a GPU to finish

    return _usual_seconds(update, stop)


def _usual_seconds(work: Callable[[], object], stop: StopRequest) -> float:
    """The median time of some repetitions, after one that warms up.

    There are fewer where they take long, and if asked to stop.
    """
    work()
    times: list[float] = []
    while len(times) < _LEAST_REHEARSALS or sum(times) < _LEAST_SECONDS:
        if times and (stop or sum(times) > _LONG):
            break
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def is_worth_compiling(wanted: str, resolved: Resolved) -> bool:
    """Whether to compile: "on" and "off" decide, "auto" weighs the time it costs.

    On a CPU compiling takes about fourteen seconds the first time, and saves a fifth of the time
    that blocks take in bfloat16. In float32 it would lose the products of oneDNN, which are twice
    as fast as those it has, and with dropout the fast masks. On CUDA it takes half a minute, and
    is for the loss without a teacher.
    Objectives other than lm never compile: a compiled model would not see an update.
    """
    if resolved.objective != LM:
        return False
    if wanted != "auto":
        return wanted == "on"
    model, training, seconds = resolved.model, resolved.training, resolved.time_budget or math.inf
    kind = training.device.split(":")[0]
    is_usual = kind in _WORTH_COMPILING
    if kind == "cpu":
        is_usual = training.precision == "bfloat16" and not model.dropout
    if kind == "cuda":
        is_usual = not training.ngram_teacher
    least, flops = _WORTH_COMPILING.get(kind, (math.inf, math.inf))
    row = sequence_flops(model, model.block_size).training_full
    is_timed = resolved.time_budget is not None
    iters = resolved.most_iters if is_timed else training.max_iters
    if iters is not None:
        seconds = min(seconds, iters * training.rows_per_iter * row / flops)
    if kind == "cpu":  # where the blocks alone are compiled
        head = 6 * model.n_embd * model.vocab_size * model.block_size * model.lm_head
        seconds *= 1 - head / max(1, row)
    return is_usual and seconds >= least


@dataclass(frozen=True)
class Pace:
    """How fast a device trains: an overhead for every layer, and the rate of its arithmetic.

    Embeddings and head together have the overhead of one more layer.
    """

    seconds_per_layer: float
    flops_per_second: float

    def iteration_seconds(self, model: ModelConfig, rows: int) -> float:
        """An estimate for one optimizer step over ``rows`` rows of the model's context."""
        flops = rows * sequence_flops(model, model.block_size).training_full
        return self.seconds_per_layer * (model.n_layer + 1) + flops / self.flops_per_second


def measure_pace(device: str, precision: Precision) -> Pace:
    """Measure the pace on a few steps of two models, in about two seconds on a CPU."""
    config = TrainConfig(
        batch_size=_ROWS, max_iters=_REPEATS, lr=1e-3, min_lr=1e-3, warmup_iters=0,
        eval_interval=1, device=device, precision=precision,
    )  # fmt: skip
    overhead = _iteration_seconds(_SMALL, config) / (_SMALL.n_layer + 1)
    whole = _iteration_seconds(_LARGE, config)
    # On a busy machine the overhead may seem to be all of it.
    arithmetic = max(whole - overhead * (_LARGE.n_layer + 1), _LEAST_ARITHMETIC * whole)
    flops = _ROWS * sequence_flops(_LARGE, _LARGE.block_size).training_full
    return Pace(overhead, flops / arithmetic)


def _iteration_seconds(shape: ModelConfig, config: TrainConfig) -> float:
    model = use_fast_layers(new_model(shape, 0)).to(config.device).train()
    optimizers = make_optimizers(model, config)
    ids = torch.zeros((_ROWS, shape.block_size), dtype=torch.long, device=config.device)
    times = []
    for _ in range(1 + _REPEATS):  # the first warms up
        started = time.perf_counter()
        with autocast(config.device, config.precision):
            logits = model(ids)
        loss = next_token_loss(logits, ids)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        float(loss.detach())  # waits for a GPU to finish
        times.append(time.perf_counter() - started)
    return min(times[1:])
