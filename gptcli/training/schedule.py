"""The learning rate as a function of the step."""

import math

from gptcli.config.training import TrainConfig

_LEAST_TEACHING = 0.15  # of the n-grams' first share, at the end


def learning_rate(step: int, config: TrainConfig, full: float | None = None) -> float:
    """Linear warm-up to ``full``, then as the schedule says down to its share of ``min_lr``.

    ``full`` is the rate of a group of parameters, by default ``lr``; all fall in proportion.

    - cosine: half a cosine (Loshchilov and Hutter 2017, SGDR, without restarts)
    - linear: a straight line
    - wsd: warm-up, stable, decay: ``full``, then a straight line over the last
      ``decay_fraction`` of the steps (Hu et al. 2024, MiniCPM)
    - constant: ``full``
    """
    full = config.lr if full is None else full
    if step < config.warmup_iters:
        return full * (step + 1) / (config.warmup_iters + 1)
    least = config.min_lr * (full / config.lr)
    return least + _undecayed(step, config) * (full - least)


def teacher_share(step: int, config: TrainConfig) -> float:
    """The share of a target that n-grams take: it falls as the schedule does, to a part of itself.

    So it is known before it is known how many steps there will be.
    """
    least = _LEAST_TEACHING * config.ngram_teacher
    return least + _undecayed(step, config) * (config.ngram_teacher - least)


def _undecayed(step: int, config: TrainConfig) -> float:
    """How much of the decay is still to come: 1 at its beginning, 0 at its end."""
    first = config.warmup_iters
    match config.schedule:
        case "constant":
            return 1.0
        case "wsd":
            first = max(first, round(config.max_iters * (1 - config.decay_fraction)))
    done = min(1.0, max(0, step - first) / max(1, config.max_iters - first))
    return 0.5 * (1 + math.cos(math.pi * done)) if config.schedule == "cosine" else 1 - done
