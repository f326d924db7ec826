"""The losses of policies, where all answers can be enumerated: what they lead to is known.

One token is an arm of a bandit; a policy is a table of logits. Figures in float64.
"""

from itertools import product

import pytest
import torch
from torch import Tensor

from gptcli.training.losses import (
    clipped_surrogate,
    generalized_advantages,
    group_advantages,
    group_policy_losses,
    implicit_rewards,
    pair_losses,
    proximal_policy_losses,
    token_rewards,
)

END = 2
ANSWERS = [(END,), *product((0, 1), (0, 1, END))]  # of up to two tokens; four have no end

REWARDS = torch.tensor([0.0, 1.0, 0.3, 0.7, 0.5], dtype=torch.float64)
REFERENCE = torch.tensor([0.3, 0.1, 0.25, 0.15, 0.2], dtype=torch.float64)
BETA, GROUP, CLIP = 0.4, 3, 0.2


def log_probabilities(table: Tensor) -> Tensor:
    """The log-probability of each token (7, 2) of each answer, by logits (3, 3).

    A row of the table is for each state: nothing written, a 0 written, a 1 written.
    """
    logs = table.log_softmax(1)
    rows = [
        torch.stack([logs[0, answer[0]], logs[1 + answer[0], answer[1]]])
        if len(answer) == 2
        else torch.stack([logs[0, END], torch.zeros((), dtype=torch.float64)])
        for answer in ANSWERS
    ]
    return torch.stack(rows)


@pytest.mark.parametrize("group_size", [2, 3])
def test_the_expected_gradient_of_grpo_is_that_of_the_expected_reward(group_size: int) -> None:
    """Less a share of 1 / G, since an answer is part of the mean that it is compared with."""
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    rewards = torch.randn(len(ANSWERS), dtype=torch.float64, generator=generator)
    mask = torch.tensor([[True, len(answer) == 2] for answer in ANSWERS])
    lp = log_probabilities(table)
    p = (lp * mask).sum(1).exp()
    assert p.sum().item() == pytest.approx(1)

    expected = torch.zeros((), dtype=torch.float64)
    for group in product(range(len(ANSWERS)), repeat=group_size):
        drawn = torch.tensor(group)
        losses = group_policy_losses(
            lp[drawn],
            lp[drawn].detach(),
            mask[drawn],
            group_advantages(rewards[drawn], group_size),
            CLIP,
        )
        expected = expected + p[drawn].prod().detach() * losses.sum() / group_size

    (ours,) = torch.autograd.grad(expected, table, retain_graph=True)
    (theirs,) = torch.autograd.grad((p * rewards).sum(), table)
    assert torch.allclose(ours, -(1 - 1 / group_size) * theirs, rtol=1e-12, atol=1e-14)


def group_gradient(p: Tensor, has_factor: bool = True) -> Tensor:
    """The expected gradient (5,) of GRPO's loss for a policy's logits, over all groups."""
    theta = p.log().requires_grad_()
    logs, ref = theta.log_softmax(0), REFERENCE.log()
    expected = torch.zeros((), dtype=torch.float64)
    for group in product(range(5), repeat=GROUP):
        drawn = torch.tensor(group)
        lp, old = logs[drawn][:, None], logs[drawn][:, None].detach()
        advantages, one = group_advantages(REWARDS[drawn], GROUP), torch.ones(GROUP, 1).bool()
        e = ref[drawn][:, None] - lp
        if has_factor:
            losses = group_policy_losses(lp, old, one, advantages, CLIP, ref[drawn][:, None], BETA)
        else:
            losses = clipped_surrogate(lp, old, advantages[:, None], CLIP)
            losses = losses + BETA * (e.exp() - e - 1)
        expected = expected + p[drawn].prod() * losses.sum() / GROUP
    (gradient,) = torch.autograd.grad(expected, theta)
    return gradient


def test_grpo_rests_where_reward_and_divergence_balance() -> None:
    best = (REFERENCE.log() + REWARDS * (GROUP - 1) / (BETA * GROUP)).softmax(0)
    assert group_gradient(best).abs().max() < 1e-6
    assert group_gradient(REFERENCE).abs().max() > 1e-2


def test_without_the_ratio_as_a_factor_grpo_would_rest_elsewhere() -> None:
    """Where the other divergence, KL(reference || policy), balances the reward."""
    b = BETA * GROUP / (GROUP - 1)
    low, high = REWARDS.max().item() + 1e-9, REWARDS.max().item() + b + 1
    for _ in range(200):
        middle = (low + high) / 2
        is_above = (b * REFERENCE / (middle - REWARDS)).sum() > 1
        low, high = (middle, high) if is_above else (low, middle)
    elsewhere = b * REFERENCE / (low - REWARDS)
    assert elsewhere.sum().item() == pytest.approx(1)
    assert group_gradient(elsewhere, has_factor=False).abs().max() < 1e-6
    assert group_gradient(elsewhere).abs().max() > 1e-2


def test_ppo_rests_where_reward_and_divergence_balance() -> None:
    def gradient(p: Tensor, value: float) -> Tensor:
        theta = p.log().requires_grad_()
        lp, one = theta.log_softmax(0)[:, None], torch.ones(5, 1).bool()
        old, ref = lp.detach(), REFERENCE.log()[:, None]
        earned = token_rewards(REWARDS, old, ref, one, BETA)
        advantages, _ = generalized_advantages(earned, torch.full((5, 1), value).double(), one, 1.0)
        losses = proximal_policy_losses(lp, old, one, advantages, CLIP)
        (found,) = torch.autograd.grad((p * losses[:, 0]).sum(), theta)
        return found

    best = (REFERENCE.log() + REWARDS / BETA).softmax(0)
    for value in (0.0, 0.6):  # whatever the value model says
        assert gradient(best, value).abs().max() < 1e-6
        assert gradient(REFERENCE, value).abs().max() > 1e-2


def test_dpo_comes_to_the_same_policy_as_ppo_and_rests_there() -> None:
    """For pairs that are ranked as Bradley and Terry have it, of arms drawn from any policy."""

    def gradient(theta: Tensor) -> Tensor:
        theta = theta.detach().requires_grad_()
        logs, one = theta.log_softmax(0)[:, None], torch.ones(5, 1).bool()
        rewards = implicit_rewards(logs, REFERENCE.log()[:, None], one, BETA)
        expected = torch.zeros((), dtype=torch.float64)
        for a, b in product(range(5), repeat=2):
            wins = torch.sigmoid(REWARDS[a] - REWARDS[b])
            loss = pair_losses(rewards[a : a + 1], rewards[b : b + 1]).sum()
            expected = expected + REFERENCE[a] * REFERENCE[b] * wins * loss
        (found,) = torch.autograd.grad(expected, theta)
        return found

    best = (REFERENCE.log() + REWARDS / BETA).softmax(0)
    assert gradient(best.log()).abs().max() < 1e-6
    assert gradient(REFERENCE.log()).abs().max() > 1e-2
    theta = REFERENCE.log()
    for _ in range(300):
        theta = theta - 20 * gradient(theta)
    assert (theta.softmax(0) - best).abs().sum() / 2 < 0.02
