"""What a run takes, and what is said of one that cannot fit."""

import math
import re
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.errors import MemoryExhaustedError
from gptcli.runtime.device import free_memory
from gptcli.runtime.signals import StopRequest
from gptcli.training import preflight as subject
from gptcli.training.at_once import rows_at_once
from gptcli.training.loop import run_training
from gptcli.training.preflight import check_fits, preflight, smaller, training_memory_errors

MODEL = ModelConfig(n_layer=4, n_head=4, n_embd=256, block_size=256, vocab_size=300)
TRAINING = TrainConfig(
    batch_size=48, grad_accum=2, max_iters=9, lr=1e-3, min_lr=1e-3, warmup_iters=0,
    eval_interval=9, device="cuda:1", precision="float32",
)  # fmt: skip


def needs(model: ModelConfig, training: TrainConfig) -> int:
    return subject._memory(model, training).peak


@pytest.fixture
def free(monkeypatch):
    """Pretend that a GPU has so many bytes left."""

    def leave(n_bytes: int) -> None:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (n_bytes, 80 * 10**9))

    return leave


def test_what_fits_is_not_refused(free) -> None:
    free(needs(MODEL, TRAINING))
    check_fits(MODEL, TRAINING, 1000)


@pytest.mark.parametrize("parts", [2, 8])
def test_of_a_model_in_parts_each_process_needs_a_part_and_the_weights_to_evaluate(
    free, parts: int
) -> None:
    model, training = replace(MODEL, n_layer=40), replace(TRAINING, batch_size=1)
    whole = subject._memory(model, training)
    part = subject._memory(model, training, parts=parts)
    for name in ("weights", "gradients", "optimizer"):
        assert getattr(part, name) == -(-getattr(whole, name) // parts)
    assert part.peak >= part.weights + part.optimizer + whole.weights
    assert part.peak < whole.peak
    free(part.peak)
    check_fits(model, training, 1000, parts=parts)
    with pytest.raises(MemoryExhaustedError):
        check_fits(model, training, 1000)


def test_in_a_step_of_a_model_in_parts_two_blocks_are_whole() -> None:
    from gptcli.accounting.process_memory import _gathered_in_a_step
    from gptcli.families.shapes import parameter_shapes

    sizes = {name: math.prod(shape) for name, shape in parameter_shapes(MODEL).items()}
    kept = (name for name in sizes if not re.match(r"blocks\.([2-9])\.", name))
    assert _gathered_in_a_step(MODEL) == 2 * 4 * sum(sizes[name] for name in kept)


def test_a_batch_that_fits_is_named_and_the_next_larger_one_does_not(free) -> None:
    limit = needs(MODEL, TRAINING) // 3
    free(limit)
    with pytest.raises(MemoryExhaustedError, match=r"cuda:1 has .* GB left") as caught:
        check_fits(MODEL, TRAINING, 1000)
    found = re.search(r"try --batch-size (\d+) --grad-accum (\d+)$", str(caught.value))
    assert found is not None
    batch, accumulated = map(int, found.groups())
    assert batch * accumulated == 96
    assert needs(MODEL, replace(TRAINING, batch_size=batch)) <= limit
    larger = min(n for n in range(batch + 1, 97) if 96 % n == 0)
    assert needs(MODEL, replace(TRAINING, batch_size=larger)) > limit


@pytest.mark.parametrize("batch_size", [48, 97, 144])
def test_a_batch_that_is_named_fits_although_large_ones_are_computed_in_parts(
    batch_size: int,
) -> None:
    training = replace(TRAINING, device="cpu", batch_size=batch_size)
    most = rows_at_once(batch_size, MODEL, "cpu")
    assert 2 < most < 25
    for rows in range(1, most):
        limit = needs(MODEL, replace(training, batch_size=rows))
        advice = smaller(MODEL, training, limit)
        batch, accumulated = map(int, re.findall(r"\d+", advice))
        assert batch * accumulated == 2 * batch_size
        assert needs(MODEL, replace(training, batch_size=batch)) <= limit


def test_where_no_batch_fits_a_shorter_context_is_named_then_a_smaller_model() -> None:
    one = replace(TRAINING, batch_size=1)
    limit = needs(replace(MODEL, block_size=64), one)
    advice = smaller(MODEL, TRAINING, limit, Path("runs/a"))
    assert advice == "try --init-from runs/a --batch-size 1 --grad-accum 96 --block-size 64"
    assert smaller(MODEL, replace(one, grad_accum=1), limit) == "try --block-size 64"
    assert "choose a smaller --n-layer or --n-embd" in smaller(MODEL, TRAINING, 10**6)


def test_a_huge_batch_is_answered_at_once(free) -> None:
    free(10**9)
    with pytest.raises(MemoryExhaustedError, match="--batch-size"):
        check_fits(MODEL, replace(TRAINING, batch_size=10**9, grad_accum=1), 1000)


def test_where_nobody_tells_what_is_free_nothing_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("gptcli.runtime.device.free_host_memory", lambda: None)
    check_fits(MODEL, replace(TRAINING, device="cpu", batch_size=10**6), 1000)


def test_each_kind_of_device_is_asked_in_its_way(monkeypatch) -> None:
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 10)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 3)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5, 8))
    monkeypatch.setattr("gptcli.runtime.device.free_host_memory", lambda: 11)
    assert [free_memory(one) for one in ("mps", "cuda", "cpu")] == [7, 5, 11]


def test_memory_that_runs_out_names_a_batch_in_three_quarters_of_it() -> None:
    with (
        pytest.raises(
            MemoryExhaustedError, match=r"\(cuda:1\).*try --batch-size 32 --grad-accum 3"
        ),
        training_memory_errors(MODEL, TRAINING),
    ):
        raise torch.OutOfMemoryError
    assert needs(MODEL, replace(TRAINING, batch_size=32)) <= needs(MODEL, TRAINING) * 3 / 4


def test_the_disk_that_is_counted_is_what_a_run_writes(begin, dataset) -> None:
    training = begin("a", n_embd=64, max_iters=20, eval_interval=10, optimizer="muon")
    costs = preflight(training.model.config, training.config, dataset)
    assert costs.n_params == sum(p.numel() for p in training.model.parameters())
    run_training(training, Mock(), StopRequest())
    written = list(training.directory.rglob("*.safetensors"))
    in_all = sum(file.stat().st_size for file in written)
    assert len(written) == 5
    assert in_all == pytest.approx(costs.disk, rel=0.02)  # headers are not counted


def test_the_distributions_of_a_teacher_are_counted_and_left_to_the_batch(monkeypatch) -> None:
    taught = replace(TRAINING, device="cpu", ngram_teacher=0.7)
    table = 10**6 * MODEL.vocab_size * 2
    limit = needs(MODEL, taught) + table
    monkeypatch.setattr("gptcli.runtime.device.free_host_memory", lambda: limit - 1)
    check_fits(MODEL, replace(taught, ngram_teacher=0.0), 10**6)
    with pytest.raises(MemoryExhaustedError, match="--batch-size 16 --grad-accum 6"):
        check_fits(MODEL, taught, 10**6)
    monkeypatch.setattr("gptcli.runtime.device.free_host_memory", lambda: limit)
    check_fits(MODEL, taught, 10**6)


def test_where_n_grams_teach_all_logits_and_their_distributions_are_there() -> None:
    model = replace(MODEL, n_embd=32, vocab_size=256)
    training = replace(TRAINING, device="cpu", batch_size=64, grad_accum=1)
    taught = replace(training, ngram_teacher=0.5)
    plain, whole = (subject._memory(model, one, 10**6) for one in (training, taught))
    assert whole.loss > plain.loss
    assert (plain.teacher, whole.teacher) == (0, 2 * 256 * 10**6)
    on_gpu = subject._memory(model, replace(taught, device="cuda"), 10**6)
    assert on_gpu.teacher == whole.teacher, "it is kept beside the model"
