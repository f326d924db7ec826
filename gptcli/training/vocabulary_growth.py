"""Rows for the tokens that a checkpoint's tokenizer lacks, and the dataset's has."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gptcli.checkpoint.tensors import Weights
from gptcli.config.model import ModelConfig
from gptcli.errors import UsageError
from gptcli.tokenization.tokenizer import Tokenizer

_PER_TOKEN = ("token_embedding.weight", "lm_head.weight", "lm_head.bias")  # V rows each


@dataclass(frozen=True)
class VocabularyGrowth:
    """The ids that ``new`` has beyond those of ``old``, of which it is an extension.

    Published models often have more rows than their tokenizers have tokens: these are used
    before the model grows.
    """

    old: Tokenizer
    new: Tokenizer

    def model(self, config: ModelConfig) -> ModelConfig:
        """The model with a row for every token; UsageError for one that cannot grow."""
        n_tokens = max(config.vocab_size, self.new.vocab_size)
        if n_tokens > config.vocab_size and not config.lm_head:
            raise UsageError(
                f"a model without a head is as wide as its vocabulary ({config.vocab_size:,}) and "
                "cannot get new tokens: begin with a model that has a head"
            )
        return replace(config, vocab_size=n_tokens)

    def weights(self, weights: Weights, n_rows: int) -> Weights:
        """The weights with ``n_rows`` in the embedding and the head.

        The row of a new token is the mean of the rows of the old ones, so that no logit is far
        from the others before it has been learnt.
        """
        per_token = {name: weights[name] for name in _PER_TOKEN if name in weights}
        grown = {name: self._grown(rows, n_rows) for name, rows in per_token.items()}
        return {**weights, **grown}

    def _grown(self, rows: Tensor, n_rows: int) -> Tensor:
        """``rows`` (V, ...) as (n_rows, ...), with those of the new ids."""
        n_old = min(self.old.vocab_size, len(rows))
        has_token = torch.ones(n_old, dtype=torch.bool)
        has_token[[number for number in self.old.missing_ids if number < n_old]] = False
        mean = rows[:n_old][has_token].double().mean(dim=0).to(rows.dtype)
        grown = torch.cat([rows, mean.expand(n_rows - len(rows), *mean.shape)])
        grown[n_old : self.new.vocab_size] = mean
        return grown
