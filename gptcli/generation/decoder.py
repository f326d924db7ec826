"""The logits after the last token of a growing text, computed from its new tokens alone.

B rows, T tokens so far, V = vocabulary.
"""

import torch
from torch import Tensor

from gptcli.errors import CheckpointError
from gptcli.fast.compiled import find_step
from gptcli.model.cache import KeyValueCache
from gptcli.model.gpt import GPT


def window_start(n_tokens: int, block_size: int) -> int:
    """Return the first token that the model sees of a text of ``n_tokens``.

    When the context is full, its last half is kept and the rest filled again. The window
    depends on the position alone, so the text does not depend on what is cached.
    """
    if n_tokens <= block_size:
        return 0
    step = block_size - block_size // 2
    return -(-(n_tokens - block_size) // step) * step


class Decoder:
    """Computes next-token logits; the model reads only tokens that its cache does not hold.

    A text of at most ``longest`` tokens needs no cache for the whole context. A step that is
    compiled has copies of the weights, so a model in training must be read without it.
    """

    def __init__(
        self,
        model: GPT,
        batch_size: int,
        device: str,
        use_cache: bool = True,
        longest: int | None = None,
        compiled: bool = True,
    ) -> None:
        self._model = model
        self._device = torch.device(device)
        dtype = model.token_embedding.weight.dtype
        self._step = find_step(model, batch_size) if use_cache and compiled else None
        if self._step is not None:
            longest = None  # it was compiled for a cache of the whole context
        self._cache = (
            KeyValueCache(model.config, batch_size, self._device, dtype, longest)
            if use_cache
            else None
        )
        self._start = 0
        self._read = torch.empty(batch_size, 0, dtype=torch.long)

    @property
    def is_compiled(self) -> bool:
        """Whether a compiled step computes single new tokens."""
        return self._step is not None

    def next_logits(self, ids: Tensor) -> Tensor:
        """Return the logits (B, V) after the last of ids (B, T), on the CPU.

        CheckpointError where they are not finite.
        """
        assert len(ids) == len(self._read), "another number of rows than the decoder's"
        start = window_start(ids.shape[1], self._model.config.block_size)
        seen = ids[:, start:]
        if self._cache is not None:
            if start != self._start:
                self._forget(0)
            seen = seen[:, self._cache.length :]
        self._start = start
        logits = self._logits(seen.to(self._device)).cpu()
        if not bool(logits.abs().amax().isfinite()):
            raise CheckpointError(
                "the model's output is not finite: its weights are damaged, "
                "use an earlier checkpoint"
            )
        self._read = ids
        return logits

    def go_back_to(self, ids: Tensor) -> None:
        """Keep in the cache only what ids (B, T) begin with, without their last token.

        The last token is read again, because its logits are asked for next.
        """
        if self._cache is None:
            return
        n = min(ids.shape[1] - 1, self._read.shape[1])
        differs = (ids[:, :n] != self._read[:, :n]).any(dim=0).nonzero()
        common = int(differs[0]) if len(differs) else n
        self._forget(common)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone (numbers counted from 0); not with a compiled step."""
        assert self._step is None, "it was compiled for a number of rows"
        self._read = self._read[rows]
        if self._cache is not None:
            self._cache.keep(rows.to(self._device))

    def _forget(self, n_tokens: int) -> None:
        """Drop all tokens after the first ``n_tokens``, also those of an interrupted read."""
        assert self._cache is not None
        self._read = self._read[:, :n_tokens]
        self._cache.shorten(max(n_tokens - self._start, 0))

    def _logits(self, new: Tensor) -> Tensor:
        n_rows, step, cache = len(new), self._step, self._cache
        if step and cache and new.shape[1] == 1 and step.can_follow(cache):
            return step(new, cache)
        if cache and cache.length == 0 and bool((new == new[:1]).all()):
            new = new[:1]  # a prompt: read once for all rows
        logits = self._model.read_out(self._model.hidden(new, cache)[:, -1])
        return logits.expand(n_rows, -1)
