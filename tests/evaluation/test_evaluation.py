"""Evaluation: each target once, whatever the windows; and the units of the figures."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.data.token_split import TokenSplit
from gptcli.evaluation.loss import Evaluation, evaluate_split
from gptcli.model.initialization import new_model

CONFIG = ModelConfig(n_layer=1, n_head=2, n_embd=16, block_size=8, vocab_size=26)


@pytest.fixture
def make_split(prepare_string, tmp_path: Path) -> Callable[[int], TokenSplit]:
    def make(n_tokens: int) -> TokenSplit:
        letters = np.random.default_rng(0).integers(0, 26, 26 + 10 * n_tokens)
        text = "abcdefghijklmnopqrstuvwxyz" + "".join(chr(97 + one) for one in letters)
        split = prepare_string(text, tmp_path / f"set-{n_tokens}").val
        assert split.n_tokens >= n_tokens
        return split

    return make


@pytest.mark.parametrize("n_tokens", [2, 8, 9, 10, 17, 400])
def test_loss_equals_a_plain_loop_over_windows(make_split, n_tokens: int) -> None:
    split = make_split(n_tokens)
    model = new_model(CONFIG, 2).eval()
    result = evaluate_split(model, split, "cpu", n_tokens)
    ids = torch.from_numpy(split.read(0, n_tokens))
    total = 0.0
    for start in range(0, n_tokens - 1, CONFIG.block_size):
        end = min(start + CONFIG.block_size, n_tokens - 1)
        with torch.no_grad():
            logits = model(ids[None, start:end])[0].double()
        log_probabilities = logits.log_softmax(dim=-1)
        total -= float(sum(log_probabilities[i, ids[start + i + 1]] for i in range(end - start)))
    assert result.n_targets == n_tokens - 1
    assert result.loss == pytest.approx(total / (n_tokens - 1), abs=1e-5)


def test_evaluation_is_deterministic_and_leaves_the_mode(make_split) -> None:
    config = ModelConfig(n_layer=1, n_head=1, n_embd=16, block_size=8, vocab_size=26, dropout=0.5)
    model = new_model(config, 3).train()
    split = make_split(100)
    first, again = evaluate_split(model, split, "cpu"), evaluate_split(model, split, "cpu")
    assert first == again
    assert model.training


def test_a_cap_on_batches_is_a_prefix(make_split) -> None:
    config = ModelConfig(n_layer=1, n_head=1, n_embd=4, block_size=8, vocab_size=26)
    split = make_split(20_000)
    model = new_model(config, 4)
    capped = evaluate_split(model, split, "cpu", max_batches=1)
    prefix = evaluate_split(model, split, "cpu", n_tokens=capped.n_targets + 1)
    assert capped == prefix


def test_stopped_by_raising_it_leaves_the_mode(make_split) -> None:
    split = make_split(100)
    model = new_model(CONFIG, 5).train()

    def stop(targets: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        evaluate_split(model, split, "cpu", advance=stop)
    assert model.training


def test_units() -> None:
    result = Evaluation(loss_sum=math.log(2) * 800, n_targets=100, n_correct=25)
    assert result.loss == pytest.approx(8 * math.log(2))
    assert result.perplexity == pytest.approx(256)
    assert result.bits_per(200) == pytest.approx(4)
    assert result.accuracy == 0.25
