"""How long a run will take, measured on a little of its own work before it starts."""

import time

from gptcli.evaluation.loss import evaluate_split
from gptcli.runtime.signals import StopRequest
from gptcli.training.loop import TrainingRun

_REHEARSED_TOKENS = 2048
_LEAST_REHEARSALS, _LEAST_SECONDS = 3, 1.0


def estimate_seconds(training: TrainingRun, stop: StopRequest) -> float:
    """Seconds for the steps and evaluations that are left. Leaves the training as it was."""
    config, progress = training.config, training.progress
    steps = config.max_iters - progress.step
    first = -(-progress.step // config.eval_interval)
    evaluations = config.max_iters // config.eval_interval - first + 1
    evaluations += config.max_iters % config.eval_interval > 0
    evaluations -= progress.evaluated_step == progress.step
    stepping, evaluating = _step_seconds(training, stop), _evaluation_seconds(training)
    return steps * stepping + evaluations * evaluating


def _step_seconds(training: TrainingRun, stop: StopRequest) -> float:
    """On a CPU time grows with the rows, so a few are enough; a GPU needs the whole batch."""
    batch_size, block_size = training.config.batch_size, training.model.config.block_size
    rows = batch_size
    if training.config.device == "cpu":
        rows = max(1, min(batch_size, _REHEARSED_TOKENS // block_size))
    stepper = training.stepper()
    training.model.train()
    stepper.rehearse(rows)
    times: list[float] = []
    while len(times) < _LEAST_REHEARSALS or sum(times) < _LEAST_SECONDS:
        if stop and times:
            break
        started = time.perf_counter()
        stepper.rehearse(rows)
        times.append(time.perf_counter() - started)
    return min(times) * training.config.rows_per_iter / rows


def _evaluation_seconds(training: TrainingRun) -> float:
    """Both splits, from the time of one batch after another that warms up."""
    device, train = training.config.device, training.dataset.train
    evaluate_split(training.model, train, device, max_batches=1)
    started = time.perf_counter()
    sample = evaluate_split(training.model, train, device, max_batches=1)
    seconds = time.perf_counter() - started
    if training.config.eval_batches is not None:
        return 2 * seconds * training.config.eval_batches
    return 2 * seconds * max(1, training.dataset.val.n_targets) / sample.n_targets
