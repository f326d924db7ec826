"""How strongly each head copies: two scores on random tokens that are repeated once.

Nothing but the repetition can be known about random tokens. In their second copy, an induction
head looks at the token after the first occurrence of the present one, which is the next token
(Elhage et al. 2021; Olsson et al. 2022, arXiv:2209.11895), and a duplicate-token head at the
first occurrence itself (Wang et al. 2022, arXiv:2211.00593).
H = n_head, n random tokens, b tokens that begin every text of this tokenizer.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from gptcli.config.model import ModelConfig
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.capture import attention_modules, record
from gptcli.inspection.heads import Head, every_head
from gptcli.inspection.measures import Measured
from gptcli.inspection.metrics import COPY_SCORES
from gptcli.inspection.vectors import Vectors
from gptcli.model.gpt import GPT
from gptcli.tokenization.tokenizer import Tokenizer

_SEED = 0
_LONGEST = 50  # random tokens, before they are repeated
_REPLACEMENT = "\ufffd"  # what a part of a character is decoded to


@dataclass(frozen=True)
class RepeatedTokens:
    """Token ids: ``n_before`` that begin a text, then ``n_random`` different ones, twice."""

    ids: tuple[int, ...]
    n_before: int
    n_random: int


def repeated_tokens(tokenizer: Tokenizer, config: ModelConfig) -> RepeatedTokens | None:
    """Draw tokens that fit the context, each once, so that each has one earlier occurrence.

    They are real entries of the vocabulary with a text of their own, and no special tokens. None
    where fewer than two are there or fit.
    """
    before = tokenizer.template.before
    room = min((config.block_size - len(before)) // 2, _LONGEST)
    numbers = range(min(tokenizer.vocab_size, config.vocab_size))
    special = {*tokenizer.special_tokens.values(), *tokenizer.missing_ids}

    def is_text(number: int) -> bool:
        text = "" if number in special else tokenizer.decode([number])
        return text != "" and _REPLACEMENT not in text

    shuffled = random.Random(_SEED).sample(numbers, len(numbers))
    drawn = list(islice(filter(is_text, shuffled), max(room, 0)))
    if len(drawn) < 2:
        return None
    return RepeatedTokens((*before, *drawn, *drawn), len(before), len(drawn))


def score_heads(loaded: LoadedModel) -> dict[Head, dict[str, Measured]]:
    """Both scores of every head, each the mean over the places of the second copy."""
    model, heads = loaded.model, every_head(loaded.model.config)
    tokens = repeated_tokens(loaded.tokenizer, model.config)
    if tokens is None:
        return {head: {name: Measured(None, 0) for name in COPY_SCORES} for head in heads}
    values = torch.cat(list(_scores(model, tokens))).tolist()

    def measured(pair: list[float]) -> dict[str, Measured]:
        scores = zip(COPY_SCORES, pair, strict=True)
        return {name: Measured(value, tokens.n_random) for name, value in scores}

    return {head: measured(pair) for head, pair in zip(heads, values, strict=True)}


def _scores(model: GPT, tokens: RepeatedTokens) -> Iterator[Tensor]:
    """Both scores of the heads of each layer, (H, 2)."""
    recording = record(model, tokens.ids)
    second = slice(tokens.n_before + tokens.n_random, len(tokens.ids))
    for attention, layer in zip(attention_modules(model), recording.layers, strict=True):
        weights = Vectors.of(attention, layer).weights(second)  # (H, n, b + 2n)
        yield torch.stack([copied_weight(weights, tokens, ahead) for ahead in (1, 0)], dim=1)


def copied_weight(weights: Tensor, tokens: RepeatedTokens, ahead: int) -> Tensor:
    """The mean weight (H,) of the token ``ahead`` behind the first occurrence of the present one.

    ``weights`` are those of the second copy, (H, n, b + 2n).
    """
    copied = weights.diagonal(tokens.n_before + ahead, dim1=1, dim2=2)  # (H, n)
    return copied.mean(dim=1).cpu().double()
