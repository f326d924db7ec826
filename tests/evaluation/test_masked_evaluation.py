"""Evaluation of masked splits: each target that counts once, seen from its document's start."""

import numpy as np
import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.data.token_split import TokenSplit
from gptcli.evaluation import evaluation_pass
from gptcli.evaluation.loss import evaluate_split
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model

CONFIG = ModelConfig(n_layer=1, n_head=2, n_embd=16, block_size=8, vocab_size=26)


@pytest.fixture
def split(masked_dataset) -> TokenSplit:
    draw = np.random.default_rng(3)
    word = lambda most: "".join(map(chr, draw.integers(97, 123, draw.integers(0, most))))  # noqa: E731
    pairs = [(word(12), word(6)) for _ in range(120)]
    whole = [pair for pair in pairs if "".join(pair)]
    return masked_dataset(whole, [("abcdefghijklmnopqrstuvwxyz", "")]).train


def plain_loss(model: GPT, split: TokenSplit, n_tokens: int) -> tuple[float, int]:
    """Sum in float64 and number, window by window as design.md has them."""
    size = model.config.block_size
    ids, mask = torch.from_numpy(split.read(0, n_tokens)), split.read_mask(0, n_tokens)
    documents = [start for start in split.document_starts.tolist() if start < n_tokens]
    total, count, start = 0.0, 0, 0
    while start < n_tokens - 1:
        reached = [one for one in documents if start < one <= start + size]
        end = min(max(reached, default=start + size), n_tokens - 1)
        if start + size >= n_tokens - 1:
            end = n_tokens - 1
        with torch.no_grad():
            table = model(ids[None, start:end])[0].double().log_softmax(dim=-1)
        chosen = [i for i in range(start + 1, end + 1) if mask[i]]
        total -= sum(float(table[i - 1 - start, ids[i]]) for i in chosen)
        count += len(chosen)
        start = end
    return total, count


@pytest.mark.parametrize("block_size", [1, 3, 8, 50, 5000])
@pytest.mark.parametrize("batch", [1, 8192])
def test_loss_equals_a_plain_loop_over_windows(split, monkeypatch, block_size, batch) -> None:
    monkeypatch.setattr(evaluation_pass, "TOKENS_PER_BATCH", batch)
    model = new_model(ModelConfig(1, 2, 16, block_size, 26), 2).eval()
    heard: list[int] = []
    result = evaluate_split(model, split, "cpu", advance=heard.append)
    total, count = plain_loss(model, split, split.n_tokens)
    assert result.n_targets == count == split.n_targets == sum(heard)
    assert result.loss_sum == pytest.approx(total, rel=1e-5)


def test_a_prefix_of_whole_windows_is_the_start_of_the_split(split) -> None:
    model = new_model(CONFIG, 2).eval()
    for wanted in (1, 20, 100, 10**6):
        n_tokens = split.windows(8).tokens_with(wanted)
        result = evaluate_split(model, split, "cpu", n_tokens)
        assert result.n_targets == split.read_mask(1, n_tokens - 1).sum()
        assert result.n_targets >= min(wanted, split.n_targets)


def test_a_cap_on_batches_is_a_prefix(split, monkeypatch) -> None:
    monkeypatch.setattr(evaluation_pass, "TOKENS_PER_BATCH", 32)
    model = new_model(CONFIG, 4)
    heard: list[int] = []
    evaluate_split(model, split, "cpu", advance=heard.append)
    capped = evaluate_split(model, split, "cpu", max_batches=3)
    assert capped.n_targets == sum(heard[:3])
    assert min(heard) > 0


def test_what_is_counted_does_not_depend_on_the_shards(masked_dataset) -> None:
    pairs = [(f"{n:b}=", f"{n}\n") for n in range(60)]
    model = new_model(ModelConfig(1, 2, 16, 8, 12), 5)
    whole, sharded = (
        evaluate_split(model, masked_dataset(pairs, name=name, per_shard=size).train, "cpu")
        for name, size in (("whole", 10**6), ("sharded", 9))
    )
    assert whole == sharded
