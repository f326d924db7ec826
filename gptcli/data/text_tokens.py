"""A raw text as tokens in memory, with the interface of a split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptcli.data.source_text import SourceText
from gptcli.tokenization.bulk import bulk_encoder
from gptcli.tokenization.text_loss import TextLoss
from gptcli.tokenization.tokenizer import Tokenizer


@dataclass(frozen=True)
class TextTokens:
    """All tokens of a text of ``n_characters`` and ``n_bytes`` in UTF-8; all are targets.

    ``n_lost`` of the characters are not restored from the tokens.
    """

    ids: NDArray[np.uint32]
    n_characters: int
    n_bytes: int
    n_lost: int = 0
    is_masked: bool = False

    @classmethod
    def of(cls, source: SourceText, tokenizer: Tokenizer) -> "TextTokens":
        """Encode a text with the tokens that its makers put around one.

        Raises UnseenCharacterError or DataError where it has no ids.
        """
        (ids,) = bulk_encoder(tokenizer, "uint32").encode([source.text])
        tokenizer.check_ids(ids)
        loss = TextLoss.of(tokenizer)
        n_lost = 0 if loss is None else loss.characters(source.text, ids).total()
        around = tokenizer.template.around(ids)
        return cls(around, len(source.text), len(source.text.encode()), n_lost)

    @property
    def n_tokens(self) -> int:
        """The number of tokens."""
        return len(self.ids)

    @property
    def n_targets(self) -> int:
        """The number of tokens that are predicted: all but the first."""
        return max(0, self.n_tokens - 1)

    def read(self, start: int, length: int) -> NDArray[np.int64]:
        """Tokens ``start`` to ``start + length - 1``."""
        return self.ids[start : start + length].astype(np.int64)

    def gather(self, starts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """One row of ``length`` tokens from each start: (len(starts), length)."""
        windows = np.lib.stride_tricks.sliding_window_view(self.ids, length)
        return windows[starts].astype(np.int64)
