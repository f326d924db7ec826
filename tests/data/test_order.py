"""The order of the data: a pure function that visits everything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.data.order import ItemOrder, WindowOrder, permute


@settings(deadline=None)
@given(size=st.integers(1, 3000), key=st.integers(0, 2**63 - 1))
def test_permute_visits_each_index_once(size: int, key: int) -> None:
    permuted = permute(np.arange(size), size, key)
    assert sorted(permuted.tolist()) == list(range(size))


def test_permute_mixes() -> None:
    permuted = permute(np.arange(10_000), 10_000, 5)
    assert abs(np.corrcoef(np.arange(10_000), permuted)[0, 1]) < 0.05
    assert not np.array_equal(permuted, permute(np.arange(10_000), 10_000, 6))


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 60), rows=st.integers(1, 9), seed=st.integers(0, 5))
def test_every_item_is_seen_once_an_epoch(size: int, rows: int, seed: int) -> None:
    order = ItemOrder(size, rows, seed)
    seen = np.concatenate([order.items(step) for step in range(3 * size)])
    keys = np.concatenate([order.keys(step) for step in range(3 * size)])
    for epoch in range(3 * rows):
        part = slice(epoch * size, (epoch + 1) * size)
        assert sorted(seen[part].tolist()) == list(range(size))
        assert len(set(keys[part].tolist())) == 1
    assert len(set(keys.tolist())) == 3 * rows


@settings(max_examples=50, deadline=None)
@given(
    block_size=st.integers(1, 20),
    extra=st.integers(1, 200),
    rows=st.integers(1, 7),
    seed=st.integers(0, 5),
)
def test_every_target_is_visited_in_every_epoch(
    block_size: int, extra: int, rows: int, seed: int
) -> None:
    n_tokens = block_size + extra
    order = WindowOrder(n_tokens, block_size, rows, seed)
    steps = -(-order.windows_per_epoch // rows)
    starts = np.concatenate([order.starts(step) for step in range(steps)])
    starts = starts[: order.windows_per_epoch]
    assert starts.min() >= 0
    assert starts.max() + block_size < n_tokens
    targets = {int(start) + offset for start in starts for offset in range(1, block_size + 1)}
    assert targets == set(range(1, n_tokens))


def test_epochs_differ_in_order_and_phase() -> None:
    order = WindowOrder(1001, 10, rows_per_step=102, seed=0)
    assert order.windows_per_epoch == 101
    phases = {int(np.median(order.starts(epoch * 101 // 102 + 1) % 10)) for epoch in range(20)}
    assert len(phases) > 3


@pytest.mark.parametrize("order", ["shuffled", "random"])
def test_a_step_can_be_asked_for_alone(order: str) -> None:
    make = lambda: WindowOrder(5000, 16, 8, 3, order)  # noqa: E731
    forwards = [make().starts(step).tolist() for step in range(60)]
    backwards = [make().starts(step).tolist() for step in reversed(range(60))]
    assert forwards == backwards[::-1]
    assert forwards[0] != forwards[1]


def test_rows_do_not_depend_on_how_a_step_is_divided() -> None:
    whole = WindowOrder(5000, 16, 8, 3)
    halves = WindowOrder(5000, 16, 4, 3)
    for step in range(50):
        parts = [halves.starts(2 * step), halves.starts(2 * step + 1)]
        assert whole.starts(step).tolist() == np.concatenate(parts).tolist()


def test_random_order_draws_all_offsets_evenly() -> None:
    order = WindowOrder(20, 4, rows_per_step=1600, seed=1, order="random")
    counts = np.bincount(order.starts(0), minlength=16)
    assert len(counts) == 16
    assert counts.min() > 60


GIVEN = np.array([0, 7, 19, 20, 33, 49, 60], dtype=np.int64)


@pytest.mark.parametrize("rows", [1, 3, 7, 20])
def test_given_windows_are_visited_once_an_epoch(rows: int) -> None:
    order = WindowOrder(100, 16, rows, seed=2, windows=GIVEN)
    assert order.windows_per_epoch == 7
    steps = np.concatenate([order.starts(step) for step in range(21)])
    epochs = steps[: len(steps) // 7 * 7].reshape(-1, 7)
    assert all(sorted(epoch) == GIVEN.tolist() for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) > 1


def test_given_windows_near_the_end_are_moved_back_from_it() -> None:
    order = WindowOrder(60, 16, 7, seed=2, windows=GIVEN[:-1])
    for step in range(5):
        assert order.starts(step).max() == 60 - 1 - 16


def test_random_order_draws_from_the_given_windows() -> None:
    order = WindowOrder(100, 16, 700, seed=1, order="random", windows=GIVEN)
    counts = np.bincount(order.starts(3), minlength=61)
    assert counts[GIVEN].min() > 60
    assert counts.sum() == counts[GIVEN].sum()
    assert order.starts(3).tolist() == order.starts(3).tolist()
