"""Rows of prompts and answers: which of them are computed together."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gptcli.data.answer_rows import similar_lengths

LENGTHS = st.lists(st.integers(1, 40), max_size=60)


@given(lengths=LENGTHS, most_tokens=st.integers(1, 200), most_rows=st.integers(1, 9))
def test_rows_are_together_once_each_within_both_limits(lengths, most_tokens, most_rows) -> None:
    given_lengths = np.array(lengths, dtype=np.int64)
    batches = list(similar_lengths(given_lengths, most_tokens, most_rows))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    in_order = [given_lengths[row] for batch in batches for row in batch]
    assert in_order == sorted(in_order)
    for batch in batches:
        longest = given_lengths[batch].max()
        assert len(batch) == 1 or (len(batch) <= most_rows and len(batch) * longest <= most_tokens)
    for batch, following in pairwise(batches):  # not one more would have gone in
        more = len(batch) + 1
        assert more > most_rows or more * given_lengths[following[0]] > most_tokens
