"""Rows for new tokens: the old ones keep their logits, a new one has the mean of theirs."""

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.errors import UsageError
from gptcli.model.initialization import model_with
from gptcli.tokenization.trainer import character_tokenizer
from gptcli.training.vocabulary_growth import VocabularyGrowth

OLD = character_tokenizer("abcdefg")
GROWTH = VocabularyGrowth(OLD, OLD.extended(["<|user|>", "<|end|>"]))
MODELS = {
    "tied": ModelConfig(1, 2, 16, 8, 7),
    "untied": ModelConfig(1, 2, 16, 8, 7, tied=False, norm="rms", positions="rotary"),
    "biased": ModelConfig(1, 2, 16, 8, 7, tied=False, lm_head_bias=True),
}


def logits(config, weights, ids):
    with torch.no_grad():
        return model_with(config, weights).eval()(ids).double()


@pytest.mark.parametrize("name", MODELS)
def test_old_logits_stay_and_new_ones_are_their_mean(name, randomized, random_ids):
    before = MODELS[name]
    weights = {key: one.detach() for key, one in randomized(before, 3).named_parameters()}
    after = GROWTH.model(before)
    assert after.vocab_size == 9
    ids = random_ids(before, 4)
    old = logits(before, weights, ids)
    new = logits(after, GROWTH.weights(weights, after.vocab_size), ids)
    torch.testing.assert_close(new[..., :7], old, rtol=1e-6, atol=1e-6)
    mean = old.mean(dim=-1, keepdim=True).expand(*old.shape[:-1], 2)
    torch.testing.assert_close(new[..., 7:], mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("n_rows", "n_after"), [(8, 9), (9, 9), (12, 12)])
def test_rows_without_a_token_are_used_before_the_model_grows(n_rows, n_after, randomized):
    before = ModelConfig(1, 2, 16, 8, n_rows)
    assert GROWTH.model(before).vocab_size == n_after
    rows = randomized(before, 3).token_embedding.weight.detach()
    grown = GROWTH.weights({"token_embedding.weight": rows}, n_after)["token_embedding.weight"]
    assert torch.equal(grown[:7], rows[:7])
    assert torch.equal(grown[9:], rows[9:])
    mean = sum(rows[:7].double()) / 7
    torch.testing.assert_close(grown[7:9].double(), mean.expand(2, -1), rtol=1e-6, atol=1e-7)


def test_ids_without_a_token_do_not_count_in_the_mean():
    old = character_tokenizer("abc")
    old.missing_ids = (1,)
    rows = torch.tensor([[1.0], [100.0], [3.0]])
    growth = VocabularyGrowth(old, old.extended(["<|end|>"]))
    grown = growth.weights({"lm_head.bias": rows[:, 0]}, 4)["lm_head.bias"]
    assert grown.tolist() == [1.0, 100.0, 3.0, 2.0]


def test_a_model_without_a_head_cannot_grow():
    bigram = ModelConfig(0, 1, 7, 8, 7, lm_head=False, tied=False)
    with pytest.raises(UsageError, match="as wide as its vocabulary"):
        GROWTH.model(bigram)
