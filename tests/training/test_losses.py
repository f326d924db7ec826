"""The losses of the stages after pre-training against loops in float64, and their gradients."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gptcli.training.losses import (
    clipped_share,
    clipped_surrogate,
    divergence,
    generalized_advantages,
    group_advantages,
    group_policy_losses,
    implicit_rewards,
    pair_losses,
    proximal_policy_losses,
    token_rewards,
    value_losses,
    whitened,
)

ROWS, LONGEST, CLIP = 6, 5, 0.2
LENGTHS = [5, 3, 1, 4, 2, 5]
MASK = torch.arange(LONGEST) < torch.tensor(LENGTHS)[:, None]
PLACES = [(row, place) for row, length in enumerate(LENGTHS) for place in range(length)]


def drawn(seed: int, *shape: int, scale: float = 1.0) -> Tensor:
    """Float64 numbers; where no answer has a token they are as good as any."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*(shape or (ROWS, LONGEST)), generator=generator, dtype=torch.double)


def log_probabilities(seed: int) -> Tensor:
    return -drawn(seed).abs() - 0.5


LP = log_probabilities(0)
OLD = LP + drawn(1, scale=0.6)  # ratios inside of the clip and beyond it on both sides
REF = LP + drawn(2, scale=0.3)
ADVANTAGES = drawn(3)
RETURNS = drawn(4)
VALUES, OLD_VALUES = RETURNS + drawn(5), RETURNS + drawn(6)


def gradient(loss: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    at = at.clone().requires_grad_()
    loss(at).sum().backward()
    assert at.grad is not None
    return at.grad


def central_differences(loss: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    step, found = 1e-6, torch.zeros_like(at)
    for place in range(at.numel()):
        change = torch.zeros_like(at)
        change.view(-1)[place] = step
        difference = loss(at + change).sum() - loss(at - change).sum()
        found.view(-1)[place] = difference / (2 * step)
    return found


LOSSES: dict[str, tuple[Callable[[Tensor], Tensor], Tensor]] = {
    "reward, chosen": (lambda s: pair_losses(s, drawn(8, 4)), drawn(7, 4)),
    "reward, rejected": (lambda s: pair_losses(drawn(7, 4), s), drawn(8, 4)),
    "dpo": (
        lambda lp: pair_losses(
            implicit_rewards(lp[:3], REF[:3], MASK[:3], 0.1),
            implicit_rewards(lp[3:], REF[3:], MASK[3:], 0.1),
        ),
        LP,
    ),
    "surrogate": (lambda lp: clipped_surrogate(lp, OLD, ADVANTAGES, CLIP), LP),
    "grpo": (lambda lp: group_policy_losses(lp, OLD, MASK, ADVANTAGES[:, 0], CLIP), LP),
    "grpo with a divergence": (
        lambda lp: group_policy_losses(lp, OLD, MASK, ADVANTAGES[:, 0], CLIP, REF, 0.1),
        LP,
    ),
    "ppo": (lambda lp: proximal_policy_losses(lp, OLD, MASK, ADVANTAGES, CLIP), LP),
    "value": (lambda v: value_losses(v, OLD_VALUES, RETURNS, MASK, CLIP), VALUES),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_central_differences(name: str) -> None:
    loss, at = LOSSES[name]
    found = gradient(loss, at)
    assert found.abs().max() > 0.01
    torch.testing.assert_close(found, central_differences(loss, at), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["dpo", "grpo", "grpo with a divergence", "ppo", "value"])
def test_what_stands_behind_an_answer_has_no_effect(name: str) -> None:
    loss, at = LOSSES[name]
    other = at.where(MASK, drawn(9))
    assert torch.equal(loss(at), loss(other))
    assert torch.count_nonzero(gradient(loss, at)[~MASK]) == 0


def test_the_loss_of_a_pair_without_a_difference_is_ln_2_to_the_last_digit() -> None:
    same = torch.zeros(7)
    assert pair_losses(same, same).tolist() == [torch.tensor(2.0).log().item()] * 7


def test_the_loss_of_a_pair_is_finite_however_wrong_the_model_is() -> None:
    losses = pair_losses(torch.tensor([-500.0, 500.0]), torch.tensor([500.0, -500.0]))
    assert losses.tolist() == [1000.0, 0.0]


def test_pairs_are_bradley_and_terry() -> None:
    chosen, rejected = drawn(7, 20), drawn(8, 20)
    for loss, a, b in zip(pair_losses(chosen, rejected), chosen, rejected, strict=True):
        assert loss.item() == pytest.approx(-math.log(math.exp(a) / (math.exp(a) + math.exp(b))))


def test_implicit_rewards_are_sums_over_the_tokens_of_answers_alone() -> None:
    found = implicit_rewards(LP, REF, MASK, 0.3)
    for row, length in enumerate(LENGTHS):
        total = sum((LP[row, t] - REF[row, t]).item() for t in range(length))
        assert found[row].item() == pytest.approx(0.3 * total)


def surrogate(row: int, place: int, advantage: float) -> float:
    ratio = math.exp((LP[row, place] - OLD[row, place]).item())
    kept = min(max(ratio, 1 - CLIP), 1 + CLIP)
    return -min(ratio * advantage, kept * advantage)


def is_stopped(row: int, place: int, advantage: float) -> bool:
    """Whether a token's ratio has left the clip on the side where its advantage leads."""
    ratio = math.exp((LP[row, place] - OLD[row, place]).item())
    return ratio > 1 + CLIP if advantage > 0 else ratio < 1 - CLIP


def test_ppo_is_its_loop_in_float64_and_the_clip_stops_the_gradient_exactly() -> None:
    losses = proximal_policy_losses(LP, OLD, MASK, ADVANTAGES, CLIP)
    slopes = gradient(lambda lp: proximal_policy_losses(lp, OLD, MASK, ADVANTAGES, CLIP), LP)
    stopped = 0
    for row, place in PLACES:
        advantage = ADVANTAGES[row, place].item()
        assert losses[row, place].item() == pytest.approx(surrogate(row, place, advantage))
        assert (slopes[row, place].item() == 0) == is_stopped(row, place, advantage)
        stopped += is_stopped(row, place, advantage)
    assert 2 < stopped < len(PLACES) - 2
    share = clipped_share(LP, OLD, MASK, ADVANTAGES, CLIP)
    assert share.item() == pytest.approx(stopped / len(PLACES))


def test_grpo_is_its_loop_in_float64() -> None:
    advantages = drawn(10, ROWS)
    losses = group_policy_losses(LP, OLD, MASK, advantages, CLIP, REF, 0.1)
    for row, place in PLACES:
        e = (REF[row, place] - LP[row, place]).item()
        ratio = math.exp((LP[row, place] - OLD[row, place]).item())
        expected = surrogate(row, place, advantages[row].item())
        expected += 0.1 * ratio * (math.exp(e) - e - 1)
        assert losses[row, place].item() == pytest.approx(expected)
    assert torch.count_nonzero(losses[~MASK]) == 0


def test_the_value_loss_is_its_loop_in_float64() -> None:
    losses = value_losses(VALUES, OLD_VALUES, RETURNS, MASK, CLIP)
    slopes = gradient(lambda v: value_losses(v, OLD_VALUES, RETURNS, MASK, CLIP), VALUES)
    stopped = 0
    for row, place in PLACES:
        at = (row, place)
        value, old, goal = (one[at].item() for one in (VALUES, OLD_VALUES, RETURNS))
        near = min(max(value, old - CLIP), old + CLIP)
        assert losses[at].item() == pytest.approx(
            0.5 * max((value - goal) ** 2, (near - goal) ** 2)
        )
        is_kept = (near - goal) ** 2 > (value - goal) ** 2  # it has come closer by more than clip
        assert (slopes[at].item() == 0) == is_kept
        stopped += is_kept
    assert 2 < stopped < len(PLACES) - 2


def test_the_expected_gradient_of_the_divergence_is_that_of_kl_policy_to_reference() -> None:
    """Over all tokens drawn from the policy, as a sum, at weights where it has already moved."""
    logits, before, reference = drawn(11, 5), drawn(12, 5), drawn(13, 5)
    old = before.log_softmax(0)

    def expected(logits: Tensor) -> Tensor:
        lp, ref = logits.log_softmax(0), reference.log_softmax(0)
        return (old.exp() * divergence(lp, old, ref)).sum()

    def kl(logits: Tensor) -> Tensor:
        lp = logits.log_softmax(0)
        return (lp.exp() * (lp - reference.log_softmax(0))).sum()

    assert expected(logits).item() == pytest.approx(kl(logits).item())
    torch.testing.assert_close(gradient(expected, logits), gradient(kl, logits))


def test_a_policy_that_is_its_reference_has_no_divergence_to_the_last_digit() -> None:
    lp = LP.float()
    assert torch.count_nonzero(divergence(lp, lp.clone(), lp.clone())) == 0
    assert torch.count_nonzero(gradient(lambda x: divergence(x, lp, lp), lp)) == 0


def test_advantages_of_groups_are_what_a_reward_is_above_its_groups_mean() -> None:
    rewards = torch.tensor([1.0, 0, 0, 1, 1, 1, 1, 1])
    assert group_advantages(rewards, 4).tolist() == [0.5, -0.5, -0.5, 0.5, 0, 0, 0, 0]


@pytest.mark.parametrize("gae_lambda", [0.0, 0.95, 1.0])
def test_generalized_advantages_are_the_double_sum_in_float64(gae_lambda: float) -> None:
    rewards = drawn(14)
    advantages, returns = generalized_advantages(rewards, VALUES, MASK, gae_lambda)
    for row, length in enumerate(LENGTHS):
        value = [*VALUES[row, :length].tolist(), 0.0]
        delta = [rewards[row, t].item() + value[t + 1] - value[t] for t in range(length)]
        for t in range(length):
            expected = sum(gae_lambda ** (s - t) * delta[s] for s in range(t, length))
            assert advantages[row, t].item() == pytest.approx(expected)
            assert returns[row, t].item() == pytest.approx(expected + value[t])
    assert torch.count_nonzero(advantages[~MASK]) == torch.count_nonzero(returns[~MASK]) == 0


def test_the_reward_is_put_on_the_last_token_of_an_answer_and_its_kl_on_each() -> None:
    scores = drawn(15, ROWS)
    found = token_rewards(scores, OLD, REF, MASK, 0.05)
    for row, place in PLACES:
        expected = -0.05 * (OLD[row, place] - REF[row, place]).item()
        expected += scores[row].item() * (place == LENGTHS[row] - 1)
        assert found[row, place].item() == pytest.approx(expected)
    assert torch.count_nonzero(found[~MASK]) == 0


def test_with_lambda_1_an_advantage_is_what_is_still_earned_less_the_value() -> None:
    rewards = token_rewards(drawn(15, ROWS), OLD, REF, MASK, 0.05)
    _, returns = generalized_advantages(rewards, VALUES, MASK, 1.0)
    for row, length in enumerate(LENGTHS):
        for t in range(length):
            assert returns[row, t].item() == pytest.approx(rewards[row, t:length].sum().item())


def test_whitened_advantages_have_mean_0_and_deviation_1_over_all_tokens() -> None:
    found = whitened(5 * ADVANTAGES + 3, MASK)
    held = torch.stack([found[place] for place in PLACES])
    assert held.mean().item() == pytest.approx(0, abs=1e-9)
    assert held.square().mean().item() == pytest.approx(1)
    assert torch.equal(found[~MASK], torch.zeros(ROWS * LONGEST - len(PLACES)).double())
    same = torch.ones(1, 1)
    assert whitened(same, same.bool()).tolist() == [[0.0]]


def test_losses_of_micro_batches_add_up_to_that_of_the_whole() -> None:
    whole = LOSSES["grpo"][0](LP).sum()
    advantages = ADVANTAGES[:, 0]
    parts = [
        group_policy_losses(LP[rows], OLD[rows], MASK[rows], advantages[rows], CLIP).sum()
        for rows in (slice(0, 1), slice(1, 4), slice(4, 6))
    ]
    assert sum(parts).item() == pytest.approx(whole.item())
