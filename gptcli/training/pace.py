"""How fast this device trains, measured on two small models, to estimate any other."""

import time
from dataclasses import dataclass

import torch

from gptcli.accounting.flops import sequence_flops
from gptcli.config.model import ModelConfig
from gptcli.config.training import Precision, TrainConfig
from gptcli.fast.layers import use_fast_layers
from gptcli.model.gpt import next_token_loss
from gptcli.model.initialization import new_model
from gptcli.runtime.device import precision_dtype
from gptcli.training.optimizers import make_optimizer

# One is nearly all overhead, the other nearly all arithmetic.
_SMALL = ModelConfig(n_layer=2, n_head=2, n_embd=32, block_size=8, vocab_size=64)
_LARGE = ModelConfig(n_layer=2, n_head=8, n_embd=512, block_size=128, vocab_size=4096)
_ROWS = 4
_REPEATS = 3


@dataclass(frozen=True)
class Pace:
    """An iteration takes ``seconds_per_layer`` for every block and for what is around them.

    Beside these there is the arithmetic, at ``flops_per_second``.
    """

    seconds_per_layer: float
    flops_per_second: float

    def iteration_seconds(self, model: ModelConfig, rows: int) -> float:
        """An estimate for one optimizer step over ``rows`` rows of the model's context."""
        flops = rows * sequence_flops(model, model.block_size).training_full
        return self.seconds_per_layer * (model.n_layer + 1) + flops / self.flops_per_second


def measure_pace(device: str, precision: Precision) -> Pace:
    """Train two models a few steps, which takes about two seconds on a CPU."""
    config = TrainConfig(
        batch_size=_ROWS, max_iters=_REPEATS, lr=1e-3, min_lr=1e-3, warmup_iters=0,
        eval_interval=1, device=device, precision=precision,
    )  # fmt: skip
    overhead = _step_seconds(_SMALL, config) / (_SMALL.n_layer + 1)
    arithmetic = _step_seconds(_LARGE, config) - overhead * (_LARGE.n_layer + 1)
    flops = _ROWS * sequence_flops(_LARGE, _LARGE.block_size).training_full
    return Pace(overhead, flops / max(arithmetic, 1e-6))


def _step_seconds(shape: ModelConfig, config: TrainConfig) -> float:
    model = use_fast_layers(new_model(shape, 0)).to(config.device).train()
    optimizer = make_optimizer(model, config)
    ids = torch.zeros((_ROWS, shape.block_size), dtype=torch.long, device=config.device)
    kind, dtype = config.device.split(":")[0], precision_dtype(config.precision)
    times = []
    for _ in range(1 + _REPEATS):  # the first warms up
        started = time.perf_counter()
        with torch.autocast(kind, dtype, enabled=config.precision != "float32"):
            logits = model(ids)
        loss = next_token_loss(logits, ids)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        float(loss.detach())  # waits for a GPU to finish
        times.append(time.perf_counter() - started)
    return min(times[1:])
