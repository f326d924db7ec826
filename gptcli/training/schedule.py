"""The learning rate as a function of the step."""

import math

from gptcli.config.training import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up to ``lr``, then a half cosine down to ``min_lr`` at ``max_iters``.

    The cosine is that of Loshchilov and Hutter 2017 (SGDR), without restarts.
    """
    if step < config.warmup_iters:
        return config.lr * (step + 1) / (config.warmup_iters + 1)
    remaining = max(1, config.max_iters - config.warmup_iters)
    fraction = min(1.0, (step - config.warmup_iters) / remaining)
    return config.min_lr + 0.5 * (1 + math.cos(math.pi * fraction)) * (config.lr - config.min_lr)
