"""Estimates of memory are what torch really allocates."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.accounting.activations import (
    activation_and_gradient_peak,
    activation_peak,
    textbook_activations,
)
from gptcli.accounting.memory import generation_memory, training_memory
from gptcli.accounting.workload import Workload
from gptcli.config.model import ModelConfig
from gptcli.families.registry import FAMILIES, PRESETS
from gptcli.model.initialization import new_model
from gptcli.training.optimizers import make_optimizers

SMALL = ModelConfig(n_layer=4, n_head=4, n_embd=128, block_size=64, vocab_size=65)
LONG = ModelConfig(n_layer=3, n_head=3, n_embd=192, block_size=256, vocab_size=300)
WORDS = ModelConfig(n_layer=2, n_head=4, n_embd=256, block_size=64, vocab_size=6000)
LECTURE = replace(PRESETS["lecture"].model, n_layer=3, n_head=4, n_embd=128, block_size=128)


def of_family(family: str) -> ModelConfig:
    sizes = {"n_layer": 3, "n_head": 4, "n_embd": 128, "block_size": 128, "vocab_size": 500}
    return ModelConfig.from_fields({**FAMILIES[family].switches, **sizes, "n_kv_head": 2})


STEPS = {
    "GPT-2, small": (SMALL, 12, "float32"),
    "GPT-2, long context": (LONG, 4, "float32"),
    "GPT-2, large vocabulary": (WORDS, 8, "float32"),
    "GPT-2, few tokens": (WORDS, 1, "float32"),
    "GPT-2, loss in parts": (replace(WORDS, vocab_size=50_257), 4, "float32"),
    "nanochat, loss in parts": (replace(of_family("nanochat"), vocab_size=50_257), 8, "bfloat16"),
    "GPT-2, bfloat16": (LONG, 4, "bfloat16"),
    "the lecture, with dropout": (LECTURE, 8, "float32"),
    "the lecture, bfloat16": (LECTURE, 8, "bfloat16"),
    "Llama, shared keys": (of_family("llama"), 8, "float32"),
    "Qwen3, bfloat16": (of_family("qwen3"), 8, "bfloat16"),
    "nanochat": (of_family("nanochat"), 8, "float32"),
}

READING = {
    "reading, GPT-2": (LONG, 4, "generation"),
    "reading, a large vocabulary": (WORDS, 8, "generation"),
    "reading, Llama": (of_family("llama"), 4, "generation"),
    "reading, Qwen3": (of_family("qwen3"), 4, "generation"),
    "reading, nanochat": (of_family("nanochat"), 4, "generation"),
}


@pytest.fixture(scope="module")
def peaks() -> dict[str, int]:
    """Bytes that a real step of every case has allocated at its peak, beyond what was there."""
    cases = {
        name: (asdict(config), *rest) for name, (config, *rest) in {**STEPS, **READING}.items()
    }
    script = Path(__file__).with_name("measured_step.py")
    command = [sys.executable, str(script), json.dumps(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", STEPS)
def test_the_peak_of_a_real_training_step_is_met_within_15_percent(case: str, peaks) -> None:
    config, batch, precision = STEPS[case]
    measured = peaks[case]
    work = Workload(config.block_size, batch, precision=precision)
    # Weights and moments were there before: what a step adds is the rest.
    estimate = activation_and_gradient_peak(config, work)
    assert estimate == pytest.approx(measured, rel=0.15)
    assert activation_peak(config, work) <= estimate


def test_weights_gradients_and_moments_are_those_of_a_real_optimizer() -> None:
    from gptcli.config.training import TrainConfig

    model = new_model(SMALL, 1)
    training = TrainConfig(
        batch_size=1, max_iters=1, lr=1e-3, min_lr=1e-3, warmup_iters=0, eval_interval=1,
        device="cpu", precision="float32",
    )  # fmt: skip
    (optimizer,) = make_optimizers(model, training)
    model(torch.zeros(1, 4, dtype=torch.long)).sum().backward()
    optimizer.step()
    states = [t for state in optimizer.state.values() for t in state.values() if t.dim()]
    memory = training_memory(SMALL, Workload(64))
    assert memory.weights == sum(p.nbytes for p in model.parameters())
    assert memory.optimizer == sum(t.nbytes for t in states)
    assert memory.gradients == sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)


def test_muon_keeps_one_number_for_each_of_a_blocks_matrices() -> None:
    from gptcli.config.training import TrainConfig

    training = TrainConfig(
        batch_size=1, max_iters=1, lr=1e-3, min_lr=1e-3, warmup_iters=0, eval_interval=1,
        device="cpu", precision="float32", optimizer="muon",
    )  # fmt: skip
    config = replace(of_family("nanochat"), vocab_size=40)
    model = new_model(config, 1)
    optimizers = make_optimizers(model, training)
    model(torch.zeros(1, 4, dtype=torch.long)).sum().backward()
    for optimizer in optimizers:
        optimizer.step()
    states = [
        tensor
        for optimizer in optimizers
        for state in optimizer.state.values()
        for tensor in state.values()
        if tensor.dim()
    ]
    counted = training_memory(config, Workload(64), "muon").optimizer
    assert counted == sum(tensor.nbytes for tensor in states)
    assert counted < training_memory(config, Workload(64)).optimizer


def test_the_textbook_is_korthikantis_formula() -> None:
    # Their table 2 by hand for GPT-3: s 2048, b 1, h 12288, a 96, 96 layers.
    textbook = textbook_activations(PRESETS["gpt3"].model, Workload(2048))
    assert textbook.explicit == 96 * 2048 * 12288 * (34 + 5 * 96 * 2048 // 12288)
    assert textbook.fused == 96 * 34 * 2048 * 12288
    assert textbook.recomputed == 96 * 2 * 2048 * 12288
    assert textbook.logits == 4 * 2048 * 50257


@pytest.mark.parametrize("case", READING)
def test_cache_and_working_memory_are_what_the_sampler_takes(case: str, peaks) -> None:
    config, batch, _ = READING[case]
    memory = generation_memory(config, Workload(config.block_size, batch, "float32"))
    assert memory.kv_cache + memory.working == pytest.approx(peaks[case], rel=0.15)
    assert memory.peak == memory.weights + memory.kv_cache + memory.working


def test_memory_grows_with_batch_and_context(any_model) -> None:
    @settings(deadline=None, max_examples=60)
    @given(config=any_model, context=st.integers(1, 300))
    def check(config: ModelConfig, context: int) -> None:
        def needs(work: Workload) -> tuple[int, int]:
            return training_memory(config, work).peak, generation_memory(config, work).peak

        small = Workload(context, 2)
        for larger in (small.with_batch(3), small.with_context(context + 1)):
            assert all(a <= b for a, b in zip(needs(small), needs(larger), strict=True))
        memory = training_memory(config, small)
        parts = memory.weights + memory.gradients + memory.optimizer + memory.activations
        assert memory.weights + memory.gradients + memory.optimizer <= memory.peak <= parts

    check()
