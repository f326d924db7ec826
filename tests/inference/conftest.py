"""A model, and the tokens of a text that never was."""

from collections.abc import Callable

import numpy as np
import pytest

from gptcli.config.model import ModelConfig
from gptcli.data.raw_text import TextTokens
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model


@pytest.fixture
def model() -> GPT:
    """One layer, a context of 8, 27 tokens."""
    return new_model(ModelConfig(1, 2, 16, 8, 27), 2).eval()


@pytest.fixture
def tokens() -> Callable[[int], TextTokens]:
    """``tokens(300)``: so many random ones."""

    def make(n_tokens: int) -> TextTokens:
        ids = np.random.default_rng(1).integers(0, 27, n_tokens).astype(np.uint32)
        return TextTokens(ids, n_tokens, n_tokens)

    return make
