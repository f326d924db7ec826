"""Windows of a masked split: every target in one of them, few documents cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.data import windows as windows_module
from gptcli.data.windows import counted_windows, window_boundaries

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=60)
BLOCKS = st.integers(1, 40)


def starts_of(lengths: list[int]) -> np.ndarray:
    return np.array([0, *np.cumsum(lengths)[:-1]], dtype=np.int64)


def one_by_one(documents: list[int], n_tokens: int, block_size: int) -> list[int]:
    """The definition, followed word by word."""
    boundaries = [0]
    while boundaries[-1] < n_tokens - 1:
        end = boundaries[-1] + block_size
        reached = [start for start in documents if boundaries[-1] < start <= end]
        boundaries.append(
            min(max(reached, default=end) if end < n_tokens - 1 else end, n_tokens - 1)
        )
    return boundaries


@settings(max_examples=300, deadline=None)
@given(lengths=LENGTHS, block_size=BLOCKS)
def test_windows_are_those_of_a_plain_loop(lengths: list[int], block_size: int) -> None:
    documents = starts_of(lengths)
    boundaries = window_boundaries(documents, sum(lengths), block_size).tolist()
    assert boundaries == one_by_one(documents.tolist(), sum(lengths), block_size)


@settings(deadline=None)
@given(lengths=LENGTHS, block_size=BLOCKS)
def test_each_target_has_one_window_that_reaches_it(lengths: list[int], block_size: int) -> None:
    boundaries = window_boundaries(starts_of(lengths), sum(lengths), block_size)
    assert (boundaries[0], boundaries[-1]) == (0, sum(lengths) - 1)
    assert all(1 <= step <= block_size for step in np.diff(boundaries))


@settings(deadline=None)
@given(lengths=LENGTHS, block_size=BLOCKS)
def test_a_document_that_fits_is_predicted_from_its_own_start(
    lengths: list[int], block_size: int
) -> None:
    documents = starts_of(lengths)
    boundaries = window_boundaries(documents, sum(lengths), block_size)
    for start, length in zip(documents.tolist(), lengths, strict=True):
        for target in range(start + 1, start + length):
            window = boundaries[np.searchsorted(boundaries, target) - 1]
            assert window <= start or length > block_size


@settings(max_examples=50, deadline=None)
@given(lengths=LENGTHS, block_size=BLOCKS)
def test_the_size_of_a_stretch_changes_nothing(lengths: list[int], block_size: int) -> None:
    documents, n_tokens = starts_of(lengths), sum(lengths)
    mask = np.random.default_rng(n_tokens).random(n_tokens) < 0.1
    read = lambda start, length: mask[start : start + length]  # noqa: E731
    boundaries = window_boundaries(documents, n_tokens, block_size)
    counted = counted_windows(boundaries, block_size, read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows_module, "_DOCUMENTS_AT_ONCE", 3)
        patch.setattr(windows_module, "_TOKENS_AT_ONCE", 2 * block_size)
        assert window_boundaries(documents, n_tokens, block_size).tolist() == boundaries.tolist()
        again = counted_windows(boundaries, block_size, read)
    for name in ("starts", "ends", "counts"):
        assert getattr(again, name).tolist() == getattr(counted, name).tolist()


@settings(deadline=None)
@given(lengths=LENGTHS, block_size=BLOCKS, seed=st.integers(0, 99))
def test_every_counted_target_is_in_one_window_and_no_window_is_without(
    lengths: list[int], block_size: int, seed: int
) -> None:
    n_tokens = sum(lengths)
    mask = np.random.default_rng(seed).random(n_tokens) < 0.2
    boundaries = window_boundaries(starts_of(lengths), n_tokens, block_size)
    windows = counted_windows(boundaries, block_size, lambda start, n: mask[start : start + n])
    found = [
        target
        for start, end in zip(windows.starts.tolist(), windows.ends.tolist(), strict=True)
        for target in range(start + 1, end + 1)
        if mask[target]
    ]
    assert found == (np.flatnonzero(mask[1:]) + 1).tolist()
    assert windows.counts.sum() == len(found)
    assert (windows.counts > 0).all()


@settings(deadline=None)
@given(lengths=LENGTHS, block_size=BLOCKS, wanted=st.integers(0, 300))
def test_a_prefix_of_windows_holds_the_targets_asked_for(
    lengths: list[int], block_size: int, wanted: int
) -> None:
    n_tokens = sum(lengths) + 1
    mask = np.random.default_rng(wanted).random(n_tokens) < 0.5
    mask[-1] = True
    boundaries = window_boundaries(starts_of(lengths), n_tokens, block_size)
    windows = counted_windows(boundaries, block_size, lambda start, n: mask[start : start + n])
    tokens = windows.tokens_with(wanted)
    prefix = windows.within(tokens)
    assert prefix.ends[-1] + 1 == tokens
    assert prefix.counts.sum() == mask[1:tokens].sum()
    assert prefix.counts.sum() >= max(1, min(wanted, mask[1:].sum()))
    assert prefix.counts[:-1].sum() < max(1, wanted)


@pytest.mark.parametrize(("lengths", "boundaries"), [([], [0]), ([1], [0]), ([1, 1], [0, 1])])
def test_a_split_of_hardly_any_tokens_has_hardly_any_windows(lengths, boundaries) -> None:
    documents = starts_of(lengths) if lengths else np.empty(0, dtype=np.int64)
    assert window_boundaries(documents, sum(lengths), 8).tolist() == boundaries
