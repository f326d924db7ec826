"""How long a run will take, measured on a little of its own work before it starts."""

import time

from gptcli.inference.evaluation import evaluate_split
from gptcli.training.loop import Training

_REHEARSED_TOKENS = 4096
_REHEARSALS = 3


def estimate_seconds(training: Training) -> float:
    """Seconds for the steps and evaluations that are left. Leaves the training as it was."""
    config, progress = training.config, training.progress
    steps = config.max_iters - progress.step
    evaluations = steps // config.eval_interval + 2
    return steps * _step_seconds(training) + evaluations * _evaluation_seconds(training)


def _step_seconds(training: Training) -> float:
    """On a CPU time grows with the rows, so a few are enough; a GPU needs the whole batch."""
    batch_size, block_size = training.config.batch_size, training.model.config.block_size
    rows = batch_size
    if training.config.device == "cpu":
        rows = max(1, min(batch_size, _REHEARSED_TOKENS // block_size))
    stepper = training.stepper()
    training.model.train()
    stepper.rehearse(rows)
    times = []
    for _ in range(_REHEARSALS):
        started = time.perf_counter()
        stepper.rehearse(rows)
        times.append(time.perf_counter() - started)
    return min(times) * training.config.rows_per_iter / rows


def _evaluation_seconds(training: Training) -> float:
    """Both splits, from the time of one batch."""
    started = time.perf_counter()
    sample = evaluate_split(
        training.model, training.dataset.train, training.config.device, max_batches=1
    )
    seconds = time.perf_counter() - started
    assert sample is not None
    if training.config.eval_batches is not None:
        return 2 * seconds * training.config.eval_batches
    return 2 * seconds * max(1, training.dataset.val.n_tokens) / sample.n_targets
