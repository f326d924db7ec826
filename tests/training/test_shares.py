"""The shares of several processes in a step: none is lost, none is counted twice."""

from dataclasses import replace
from itertools import chain

import pytest
import torch

from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.runtime.world import World
from gptcli.training import shares as shares_module
from gptcli.training.shares import Shares

CONFIG = TrainConfig(
    batch_size=12, max_iters=1, lr=1e-3, min_lr=1e-3, warmup_iters=0, eval_interval=1,
    device="cpu", precision="float32", grad_accum=3,
)  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 9, 36])
def test_all_rows_are_shared_out_equally(size: int) -> None:
    shares = [Shares.of(CONFIG, World(rank, size)) for rank in range(size)]
    slices = [one.slice_of(micro) for one in shares for micro in one.own]
    assert sorted(chain.from_iterable(range(36)[one] for one in slices)) == list(range(36))
    assert len({len(one.own) for one in shares}) == 1


@pytest.mark.parametrize(
    ("size", "config", "remedy"),
    [
        (5, CONFIG, "try --batch-size 15"),
        (2, replace(CONFIG, deterministic=True), "try --grad-accum 4"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_what_can(size: int, config, remedy: str) -> None:
    with pytest.raises(UsageError, match=remedy) as refused:
        Shares.of(config, World(0, size))
    name, value = remedy.removeprefix("try --").split()
    Shares.of(replace(config, **{name.replace("-", "_"): int(value)}), World(0, size))
    assert str(size) in str(refused.value)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 12])
def test_sums_are_those_of_any_number_of_processes(monkeypatch, count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    vectors = torch.randn(count, 50, generator=generator) * 1e3
    found = []
    for size in (size for size in range(1, count + 1) if count % size == 0):
        shares = [Shares(count, 1, World(rank, size)) for rank in range(size)]
        owned = [torch.stack([vectors[micro] for micro in one.own]) for one in shares]
        monkeypatch.setattr(shares_module, "gathered", lambda *_, owned=owned: owned)
        found += [one.summed([vectors[micro] for micro in one.own]) for one in shares]
    assert all(torch.equal(one, found[0]) for one in found)
    assert torch.allclose(found[0].double(), vectors.double().sum(0), rtol=1e-5, atol=1e-3)
