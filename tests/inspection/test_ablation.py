"""The loss without a head, against models whose weights lack it, and against hooks."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from gptcli.config.model import ModelConfig
from gptcli.evaluation.target_windows import SampledWindows, StridedWindows, TargetBatch
from gptcli.inspection import ablation
from gptcli.inspection.ablation import ablate, mean_outputs
from gptcli.inspection.heads import Head, every_head
from gptcli.model.gpt import GPT, UNCOUNTED, next_token_loss

SIZES = {"n_layer": 2, "n_head": 4, "n_embd": 16, "block_size": 8, "vocab_size": 27}
GPT2 = ModelConfig(**SIZES)
LLAMA = ModelConfig(
    **SIZES, n_kv_head=2, head_dim=6, positions="rotary", norm="rms", gated=True,
    activation="silu", bias=False, tied=False, qk_norm=True,
)  # fmt: skip
NANOCHAT = ModelConfig(
    **SIZES, positions="rotary", rope_reversed=True, norm="plain_rms", bias=False, qk_norm=True,
    embedding_norm=True, activation="relu_squared", logit_cap=15.0, tied=False,
)  # fmt: skip
FIRST_RUNG = ModelConfig(
    **SIZES, projections=False, residual=False, n_inner=0, norm="none", qkv_bias=False,
    lm_head_bias=True, tied=False,
)  # fmt: skip


@pytest.fixture
def batches(random_tokens) -> list[TargetBatch]:
    """Windows of 8 tokens, several a batch; the last is shorter and alone."""
    tokens = random_tokens(45)
    return list(StridedWindows(8, 8, tokens.n_tokens).batches(tokens, 24))


def plain_loss(model: GPT, batches: list[TargetBatch]) -> float:
    with torch.no_grad():
        sums = [next_token_loss(model(one.ids), one.targets, "sum") for one in batches]
    return float(sum(sums)) / sum(int(one.counted.sum()) for one in batches)


def without(model: GPT, head: Head) -> GPT:
    """The model with zeros where W_O reads this head; without W_O, where its values are made."""
    silent = copy.deepcopy(model)
    attention = silent.blocks[head.layer].attention
    own = slice(head.index * attention.head_size, (head.index + 1) * attention.head_size)
    with torch.no_grad():
        if model.config.projections:
            attention.output.weight[:, own] = 0
        else:
            attention.query_key_value.weight.split(attention.widths)[2][own] = 0
    return silent


@pytest.mark.parametrize("config", [GPT2, LLAMA, NANOCHAT, FIRST_RUNG])
def test_ablating_is_as_good_as_having_no_such_weights(randomized, batches, config):
    model = randomized(config, 1)
    found = ablate(model, batches, every_head(config))
    assert found.loss == pytest.approx(plain_loss(model, batches), abs=1e-6)
    assert (found.n_targets, found.n_windows) == (44, 6)
    assert [effect.head for effect in found.effects] == list(every_head(config))
    for effect in found.effects:
        expected = plain_loss(without(model, effect.head), batches)
        assert found.loss + effect.change.mean == pytest.approx(expected, abs=1e-6)
        assert abs(effect.change.mean) > 1e-4, "the test could not fail"


def test_the_mean_is_that_of_the_data(randomized, batches):
    model = randomized(LLAMA, 2)
    seen: list[Tensor] = []
    output = model.blocks[1].attention.output
    handle = output.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    plain_loss(model, batches)
    handle.remove()
    mean = torch.cat([one.flatten(0, 1) for one in seen]).double().mean(dim=0)  # (H * D,)
    torch.testing.assert_close(
        mean_outputs(model, batches)[1].flatten().double(), mean, atol=1e-6, rtol=0
    )

    def replace(_: object, given: tuple[Tensor]) -> tuple[Tensor]:
        mixed = given[0].clone()
        mixed[..., 6:12] = mean[6:12].float()
        return (mixed,)

    output.register_forward_pre_hook(replace)
    expected = plain_loss(model, batches)
    output._forward_pre_hooks.clear()
    found = ablate(model, batches, [Head(1, 1)], "mean")
    assert found.loss + found.effects[0].change.mean == pytest.approx(expected, abs=1e-6)


def test_a_head_that_writes_nothing_changes_nothing(randomized, batches):
    head = Head(0, 2)
    found = ablate(without(randomized(GPT2, 3), head), batches, [head])
    assert found.effects[0].change.mean == pytest.approx(0, abs=1e-7)
    assert found.effects[0].change.standard_error == pytest.approx(0, abs=1e-7)


def test_the_error_is_that_of_the_mean_over_windows(randomized, random_tokens):
    tokens, head = random_tokens(41), Head(1, 3)
    batches = list(StridedWindows(8, 8, tokens.n_tokens).batches(tokens, 16))
    model = randomized(GPT2, 4)
    rows = [
        TargetBatch(one.ids[[row]], one.targets[[row]], one.starts[[row]])
        for one in batches
        for row in range(len(one.ids))
    ]
    changes = [plain_loss(without(model, head), [row]) - plain_loss(model, [row]) for row in rows]
    change = ablate(model, batches, [head]).effects[0].change
    assert change.n_windows == 5
    assert change.mean == pytest.approx(np.mean(changes), abs=1e-6)
    assert change.standard_error == pytest.approx(np.std(changes, ddof=1) / 5**0.5, abs=1e-6)


def test_targets_that_do_not_count_have_no_part(randomized, batches):
    first = batches[0]
    targets = first.targets.clone()
    targets[0, :5] = UNCOUNTED
    targets[2, 3:] = UNCOUNTED
    part = [TargetBatch(first.ids, targets, first.starts)]
    model = randomized(GPT2, 5)
    found = ablate(model, part, every_head(GPT2))
    assert found.n_targets == int((targets != UNCOUNTED).sum())
    for effect in found.effects:
        expected = plain_loss(without(model, effect.head), part)
        assert found.loss + effect.change.mean == pytest.approx(expected, abs=1e-6)


def test_heads_that_share_a_pass_do_not_know_each_other(randomized, batches, monkeypatch):
    model = randomized(LLAMA, 6)
    together = ablate(model, batches, every_head(LLAMA))
    monkeypatch.setattr(ablation, "tokens_per_batch", lambda config: 1)
    advanced: list[int] = []
    apart = ablate(model, batches, every_head(LLAMA), advance=advanced.append)
    assert sum(advanced) == 44 * 8
    for one, other in zip(together.effects, apart.effects, strict=True):
        assert one.change.mean == pytest.approx(other.change.mean, abs=1e-6)


@pytest.mark.parametrize(("n_tokens", "starts"), [(100, [0, 32, 56, 88]), (24, [0, 8]), (5, [0])])
def test_samples_are_spread_over_the_split(random_tokens, n_tokens, starts):
    tokens = random_tokens(n_tokens)
    batches = list(SampledWindows(8, 4).batches(tokens, 24))
    assert np.concatenate([one.starts for one in batches]).tolist() == starts
    for batch in batches:
        length = batch.ids.shape[1]
        assert length == min(8, n_tokens - 1)
        for ids, targets, start in zip(batch.ids, batch.targets, batch.starts, strict=True):
            assert ids.tolist() == tokens.read(start, length).tolist()
            assert targets.tolist() == tokens.read(start + 1, length).tolist()


def test_samples_of_a_masked_split_are_windows_of_it(masked_dataset):
    pairs = [(f"{n}+{n}=", f"{2 * n}.") for n in range(10, 60)]
    split = masked_dataset(pairs[:1], pairs).val
    whole = split.windows(16)
    (batch,) = SampledWindows(16, 3).batches(split, 1000)
    last = whole.starts.size - 1
    assert batch.starts.tolist() == whole.starts[[0, round(last / 2), last]].tolist()
    assert 0 < int(batch.counted.sum()) < batch.targets.numel()
