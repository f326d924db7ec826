"""Nearest tokens and those that a vector raises, against float64 arithmetic of numpy."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.errors import CheckpointError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection import nearest
from gptcli.inspection.nearest import TokenVectors
from gptcli.tokenization.trainer import character_tokenizer

LETTERS = "abcdefg \n"
HEADS = {"tied": {}, "untied": {"tied": False}, "biased": {"tied": False, "lm_head_bias": True}}


@pytest.fixture
def vocabulary(randomized):
    """Nine tokens in a table of eleven rows, of which the last two belong to no token."""

    def make(**changes):
        config = ModelConfig(1, 2, 8, block_size=4, vocab_size=11, **changes)
        model = randomized(config, 3)
        return TokenVectors(LoadedModel(Path("model"), model, character_tokenizer(LETTERS), "cpu"))

    return make


@pytest.fixture(params=[1, 2**22])
def at_once(request, monkeypatch):
    monkeypatch.setattr(nearest, "_CELLS_AT_ONCE", request.param)


def vectors():
    return torch.randn(3, 8, generator=torch.Generator().manual_seed(1))


def test_the_nearest_tokens_are_those_with_the_largest_cosines(vocabulary, at_once):
    one = vocabulary()
    rows = one.loaded.model.token_embedding.weight.detach().double().numpy()[:9]
    for vector, found in zip(vectors().double().numpy(), one.nearest(vectors(), 4), strict=True):
        cosines = rows @ vector / np.linalg.norm(rows, axis=1) / np.linalg.norm(vector)
        order = np.argsort(-cosines)[:4]
        assert [token.id for token in found] == order.tolist()
        assert [token.score for token in found] == pytest.approx(cosines[order], abs=1e-6)
        assert [token.text for token in found] == [sorted(LETTERS)[place] for place in order]


def test_a_token_is_nearest_to_itself_and_may_be_left_out(vocabulary):
    one = vocabulary()
    own = one.embedding(5)[None]
    ((first, *_),) = one.nearest(own, 9)
    assert (first.id, first.score) == (5, pytest.approx(1))
    (others,) = one.nearest(own, 9, without=(5, 7))
    assert {token.id for token in others} == {0, 1, 2, 3, 4, 6, 8}


@pytest.mark.parametrize("head", HEADS)
def test_raised_and_lowered_are_products_with_the_head_without_its_bias(vocabulary, at_once, head):
    one = vocabulary(**HEADS[head])
    rows = one.loaded.model.lm_head.weight.detach().double().numpy()[:9]
    products = vectors().double().numpy() @ rows.T
    found = one.raised_and_lowered(vectors(), 3)
    for scores, (highest, lowest) in zip(products, found, strict=True):
        assert [token.id for token in highest] == np.argsort(-scores)[:3].tolist()
        assert [token.id for token in lowest] == np.argsort(scores)[:3].tolist()
        assert lowest[0].score == pytest.approx(scores.min(), abs=1e-6)


def test_a_table_that_is_not_finite_is_an_error(vocabulary):
    one = vocabulary()
    with torch.no_grad():
        one.loaded.model.token_embedding.weight[2, 3] = torch.nan
    with pytest.raises(CheckpointError, match="not finite"):
        one.nearest(vectors(), 1)
