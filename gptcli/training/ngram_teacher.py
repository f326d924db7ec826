"""What counted n-grams expect next, as a help for a model that has seen little text.

A model of a few million parameters learns in its first minutes what counting finds in a second.
So its targets are mixed with the distribution of n-grams, which is wrong less often than one
character is surprising (Malagutti et al. 2024, arXiv:2403.17240, "The role of n-gram smoothing in
the age of neural networks"). Counts of a text know it by heart; each part of the text is
therefore judged by the counts of all other parts.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from gptcli.data.order import Starts
from gptcli.data.token_split import TokenSplit
from gptcli.training.ngram_counts import NgramCounts

_ORDER = 7  # the best order for a megabyte of English characters
_PARTS = 5
_AT_ONCE = 2  # parts that are counted side by side
FEWEST_TOKENS = 1000
_LARGEST_VOCABULARY = 256  # the counts of contexts are as wide
_MOST_BYTES = 2**28
_BYTES = 2  # of a probability in float16


def teacher_bytes(n_tokens: int, vocab_size: int) -> int:
    """Bytes of the distributions of a text, which are kept in the memory of the device."""
    return n_tokens * vocab_size * _BYTES


def can_teach(n_tokens: int, vocab_size: int) -> bool:
    """Whether a text is long enough to be counted, and its distributions small enough to keep."""
    is_small = teacher_bytes(n_tokens, vocab_size) <= _MOST_BYTES
    return n_tokens >= FEWEST_TOKENS and vocab_size <= _LARGEST_VOCABULARY and is_small


class NgramTeacher:
    """The distribution of every token of a training split, given those before it."""

    def __init__(self, split: TokenSplit, vocab_size: int, device: str = "cpu") -> None:
        tokens = split.read(0, split.n_tokens)
        bounds = [tokens.size * part // _PARTS for part in range(_PARTS + 1)]

        found = np.empty((tokens.size, vocab_size), np.float16)

        def judge(part: tuple[int, int]) -> None:
            start, end = part
            counts = NgramCounts([tokens[:start], tokens[end:]], vocab_size, _ORDER)
            found[start:end] = counts.distributions(tokens[start:end])

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(judge, pairwise(bounds)))
        self._distributions = torch.from_numpy(found).to(device)

    def distributions(self, starts: Starts, block_size: int) -> Tensor:
        """Those of the targets of some windows: (B, T, vocab_size) in float16."""
        targets = torch.from_numpy(starts[:, None] + 1 + np.arange(block_size))
        return self._distributions[targets.to(self._distributions.device)]
