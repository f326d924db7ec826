"""Peak of the bytes that torch allocates in real work, as a process of its own.

    python measured_step.py '{"name": [config, batch, precision], ...}'

The third training step is measured, in the trainer's own words, or where the precision is
"generation" the reading of a full prompt by the sampler; prints a peak by name.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gptcli.config.data import PrepareConfig
from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.data.dataset import Dataset
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.fast.layers import use_fast_layers
from gptcli.generation.decoder import Decoder
from gptcli.model.initialization import new_model
from gptcli.training.optimizers import make_optimizers
from gptcli.training.step import Stepper


def peak_bytes(work: Callable[[], object]) -> int:
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profiler:
        kept = work()
    del kept
    events = profiler.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    return int(np.cumsum([n_bytes for _, n_bytes in changes]).max())


@torch.inference_mode()
def measure_generation(config: ModelConfig, batch: int) -> int:
    model = use_fast_layers(new_model(config, 1)).eval()
    # Rows that differ, as they do beyond the context: a prompt that they share is read once.
    prompt = torch.arange(batch)[:, None].expand(-1, config.block_size)

    def read() -> object:
        decoder = Decoder(model, batch, "cpu", use_cache=True)
        decoder.next_logits(prompt)
        return decoder

    read()
    return peak_bytes(read)


def measure(config: ModelConfig, batch: int, precision: Any, dataset: Dataset) -> int:
    if precision == "generation":
        return measure_generation(config, batch)
    training = TrainConfig(
        batch_size=batch, max_iters=9, lr=1e-3, min_lr=1e-3, warmup_iters=0, eval_interval=9,
        device="cpu", precision=precision,
    )  # fmt: skip
    model = use_fast_layers(new_model(config, 1)).train()
    stepper = Stepper(model, make_optimizers(model, training), dataset.train, training)
    stepper.advance(0)
    stepper.advance(1)
    return peak_bytes(lambda: stepper.advance(2))


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text("the quick brown fox jumps\n" * 400)
        request = Preparation([str(text)], config=PrepareConfig())
        dataset = prepare(request, Path(folder) / "data")
        peaks = {
            name: measure(ModelConfig.from_fields(values), batch, precision, dataset)
            for name, (values, batch, precision) in json.loads(sys.argv[1]).items()
        }
    print(json.dumps(peaks))


if __name__ == "__main__":
    main()
