"""The answers that a model writes to questions, many at once.

B rows of a batch, T steps.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gptcli.config.sampling import SamplingConfig
from gptcli.generation.decoder import Decoder
from gptcli.generation.generate import GrowingRows, sample_seeds
from gptcli.model.gpt import GPT
from gptcli.runtime.progress import Advance, no_progress
from gptcli.tokenization.tokenizer import Tokenizer

_ENOUGH_ROWS, _MOST_ROWS = 64, 256  # at once
_SPREAD = 8  # tokens between prompts of a batch that has enough rows


@dataclass(frozen=True)
class Answers:
    """The ids of each answer, with its end token where it has one; and whether it has."""

    ids: list[list[int]]
    ended: NDArray[np.bool_]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each answer, with its end token."""
        return np.array([len(answer) for answer in self.ids], dtype=np.int64)


@dataclass(frozen=True)
class AnswerWriter:
    """Writes answers of at most ``config.max_new_tokens``, each up to the first of ``ends``.

    The weights are read as they are when it is asked: a model in training may be given. Only
    tokens of the ``tokenizer`` are drawn, also where the model has more outputs.
    """

    model: GPT
    tokenizer: Tokenizer
    device: str
    ends: frozenset[int]
    config: SamplingConfig

    def answers(
        self,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[int] | None = None,
        advance: Advance = no_progress,
        after_token: Callable[[], None] = lambda: None,
    ) -> Answers:
        """Write an answer to each prompt; the one of row i is drawn from the stream ``seeds[i]``.

        An answer does not depend on the others. ``advance`` is called with the number of answers
        that are done; ``after_token`` after each token, and may raise to give up.
        """
        seeds = sample_seeds(self.config, len(prompts)) if seeds is None else seeds
        ids: list[list[int]] = [[] for _ in prompts]
        for rows in _batches([len(prompt) for prompt in prompts]):
            some = [prompts[row] for row in rows], [seeds[row] for row in rows]
            for row, answer in zip(rows, self._batch(*some, after_token), strict=True):
                ids[row] = answer
            advance(len(rows))
        return Answers(ids, np.array([answer[-1] in self.ends for answer in ids], dtype=np.bool_))

    def _batch(
        self, prompts: list[Sequence[int]], seeds: list[int], after_token: Callable[[], None]
    ) -> list[list[int]]:
        most, ends = self.config.max_new_tokens, torch.tensor(sorted(self.ends), dtype=torch.long)
        longest = max(map(len, prompts)) + most
        # A compiled step would not see an update of the weights.
        decoder = Decoder(self.model, len(prompts), self.device, longest=longest, compiled=False)
        known = self.tokenizer.vocab_size, self.tokenizer.missing_ids
        growing = GrowingRows(decoder, prompts, self.config, *known, seeds)
        written = torch.zeros(len(prompts), most, dtype=torch.long)
        rows = torch.arange(len(prompts))  # that still grow
        done = torch.zeros(len(prompts), dtype=torch.bool)
        while not bool(done.all()):
            step = growing.step()
            own = (step.columns >= 0) & (step.columns < most)
            written[rows[own], step.columns[own]] = step.ids[own]
            done |= own & (torch.isin(step.ids, ends) | (step.columns == most - 1))
            after_token()
            living = (~done).nonzero()[:, 0]
            if 0 < 2 * len(living) <= len(rows):
                growing.keep(living)
                rows, done = rows[living], done[living]
        return [self._until_end(answer) for answer in written.tolist()]

    def _until_end(self, ids: list[int]) -> list[int]:
        place = next((place for place, number in enumerate(ids) if number in self.ends), len(ids))
        return ids[: place + 1]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The rows that are answered together: many, and of similar length.

    Until a longer prompt is used up, the rows of shorter ones are computed with it.
    """
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        is_far = len(rows) >= _ENOUGH_ROWS and lengths[row] > lengths[rows[0]] + _SPREAD
        if is_far or len(rows) == _MOST_ROWS:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
