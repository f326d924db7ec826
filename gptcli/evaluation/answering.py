"""The answers that a model writes to questions, many at once.

B rows of a batch, T steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gptcli.config.sampling import SamplingConfig
from gptcli.generation.decoder import Decoder
from gptcli.generation.generate import generate, sample_seeds
from gptcli.model.gpt import GPT
from gptcli.runtime.progress import Advance, no_progress
from gptcli.tokenization.tokenizer import Tokenizer

_ROWS_AT_ONCE = 256


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
        by_length = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        for first in range(0, len(by_length), _ROWS_AT_ONCE):
            rows = by_length[first : first + _ROWS_AT_ONCE]
            some = [prompts[row] for row in rows], [seeds[row] for row in rows]
            for row, answer in zip(rows, self._batch(*some, after_token), strict=True):
                ids[row] = answer
            advance(len(rows))
        return Answers(ids, np.array([answer[-1] in self.ends for answer in ids], dtype=np.bool_))

    def _batch(
        self, prompts: list[Sequence[int]], seeds: list[int], after_token: Callable[[], None]
    ) -> list[list[int]]:
        most, lengths = self.config.max_new_tokens, [len(prompt) for prompt in prompts]
        decoder = Decoder(
            self.model,
            len(prompts),
            self.device,
            longest=max(lengths) + most,
            compiled=False,  # it would not see an update of the weights
        )
        ends = torch.tensor(sorted(self.ends), dtype=torch.long)
        done, steps = torch.zeros(len(prompts), dtype=torch.bool), []
        known = self.tokenizer.vocab_size, self.tokenizer.missing_ids
        for step in generate(decoder, prompts, self.config, *known, seeds):
            steps.append(step.ids)
            done |= (step.columns >= 0) & torch.isin(step.ids, ends)
            done |= step.columns >= most - 1
            after_token()
            if bool(done.all()):
                break
        written = torch.stack(steps, dim=1).tolist()  # (B, T)
        begins = [length - min(lengths) for length in lengths]
        return [
            self._until_end(row[begin : begin + most])
            for row, begin in zip(written, begins, strict=True)
        ]

    def _until_end(self, ids: list[int]) -> list[int]:
        place = next((place for place, number in enumerate(ids) if number in self.ends), len(ids))
        return ids[: place + 1]
