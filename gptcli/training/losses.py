"""The losses of the stages after pre-training, as functions of tensors and nothing else.

B rows, A answer tokens, the end token included. ``lp`` (B, A) are the log-probabilities of the
answers' tokens under the model that is trained; ``old`` and ``ref`` are the same before the update
and under the reference. ``mask`` (B, A) is true where an answer has a token; what the other
tensors hold elsewhere is without effect.

Losses of pairs are returned for each pair, losses of policies for each token, 0 behind the end of
an answer. The caller adds them up and divides by a number of the whole step, so that micro-batches
of any size add up to the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_LEAST_VARIANCE = 1e-8  # so that advantages that are all equal become 0


def pair_losses(chosen: Tensor, rejected: Tensor) -> Tensor:
    """-log of the probability (B,) that the chosen answer wins, by the rewards (B,) of both.

    Bradley and Terry 1952: the answer of reward a beats that of reward b with sigmoid(a - b).
    The loss of a reward model, and with ``implicit_rewards`` that of DPO.
    """
    return F.softplus(rejected - chosen)


def implicit_rewards(lp: Tensor, ref: Tensor, mask: Tensor, beta: float) -> Tensor:
    """The rewards (B,) for which a policy would be optimal: beta times its log-ratio to ref.

    Rafailov et al. 2023 (arXiv:2305.18290). The sum over the answer's tokens, not their mean.
    """
    return beta * _only(lp - ref, mask).sum(1)


def clipped_surrogate(lp: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """The loss of each token (B, A) in PPO and GRPO (Schulman et al. 2017, arXiv:1707.06347).

    ``advantages`` are (B, A), or (B, 1) where a whole answer has one. The gradient is 0 where the
    token is already more than ``clip`` likelier, or less likely, than its advantage asks for.
    """
    ratio = (lp - old).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.min(ratio * advantages, clipped * advantages)


def clipped_share(lp: Tensor, old: Tensor, mask: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """How many of the tokens have no gradient because their ratio is beyond the clip, ()."""
    ratio = (lp - old).exp()
    is_beyond = torch.where(advantages > 0, ratio > 1 + clip, ratio < 1 - clip)
    return (is_beyond & mask & (advantages != 0)).sum() / mask.sum().clamp(min=1)


def divergence(lp: Tensor, old: Tensor, ref: Tensor) -> Tensor:
    """What each token (B, A) adds to KL(policy || reference), in a form that is never negative.

    q (exp(e) - e - 1) with e = ref - lp and q = exp(lp - old) (Schulman's k3 estimator). Tokens
    are drawn from the policy before the update; without q the gradient would be that of
    KL(reference || policy).
    """
    e = ref - lp
    return (lp - old).exp() * (e.expm1() - e)


def group_advantages(rewards: Tensor, group_size: int) -> Tensor:
    """Rewards (B,) less the mean of their group of answers to one question, (B,).

    Not divided by the group's standard deviation, which would weigh easy and hard questions more
    than others (Liu et al. 2025, arXiv:2503.20783: Dr. GRPO).
    """
    groups = rewards.view(-1, group_size)
    return (groups - groups.mean(1, keepdim=True)).flatten()


def group_policy_losses(
    lp: Tensor,
    old: Tensor,
    mask: Tensor,
    advantages: Tensor,
    clip: float,
    ref: Tensor | None = None,
    kl_coef: float = 0.0,
) -> Tensor:
    """The loss of each token (B, A) in GRPO; ``advantages`` (B,) are those of whole answers.

    To be divided by rows x max_new_tokens, the same for every answer: a mean over its own tokens
    would favour long wrong answers. ``ref`` is needed where ``kl_coef`` is not 0.
    """
    losses = clipped_surrogate(lp, old, advantages[:, None], clip)
    if kl_coef:
        assert ref is not None, "a divergence needs its reference"
        losses = losses + kl_coef * divergence(lp, old, ref)
    return _only(losses, mask)


def token_rewards(
    rewards: Tensor, old: Tensor, ref: Tensor, mask: Tensor, kl_coef: float
) -> Tensor:
    """What each token (B, A) earns in PPO: the answer's reward (B,) at the last, less its KL.

    Every answer must have a token.
    """
    earned = _only(-kl_coef * (old - ref), mask)
    last = mask.sum(1, keepdim=True) - 1
    return earned.scatter_add(1, last, rewards[:, None].to(earned.dtype))


def generalized_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, gae_lambda: float
) -> tuple[Tensor, Tensor]:
    """Advantages and returns (B, A) from the rewards of tokens and the values before them.

    The sum of lambda^l delta_(t+l), with delta_t = r_t + V_(t+1) - V_t and V = 0 behind the end
    (Schulman et al. 2016, arXiv:1506.02438, gamma 1). The returns are advantages + values.
    """
    values = _only(values, mask)
    following = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    deltas = _only(rewards + following - values, mask)
    advantages, rest = torch.zeros_like(deltas), torch.zeros_like(deltas[:, 0])
    for place in reversed(range(deltas.shape[1])):
        rest = deltas[:, place] + gae_lambda * rest
        advantages[:, place] = rest
    return advantages, advantages + values


def whitened(advantages: Tensor, mask: Tensor) -> Tensor:
    """Advantages (B, A) with mean 0 and standard deviation 1 over all tokens of the answers."""
    held = advantages[mask]
    scale = held.var(correction=0).add(_LEAST_VARIANCE).rsqrt()
    return _only((advantages - held.mean()) * scale, mask)


def proximal_policy_losses(
    lp: Tensor, old: Tensor, mask: Tensor, advantages: Tensor, clip: float
) -> Tensor:
    """The loss of each token (B, A) of PPO's policy; to be divided by the number of tokens."""
    return _only(clipped_surrogate(lp, old, advantages, clip), mask)


def value_losses(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float
) -> Tensor:
    """The loss of each token (B, A) of PPO's value model; to be divided by their number.

    Half the larger of two squared errors: of the value, and of the value kept within ``clip`` of
    that before the update.
    """
    clipped = torch.clamp(values, old_values - clip, old_values + clip)
    worse = torch.max((values - returns).square(), (clipped - returns).square())
    return _only(0.5 * worse, mask)


def _only(values: Tensor, mask: Tensor) -> Tensor:
    """The values where an answer has a token, 0 elsewhere, whatever stands there."""
    return values.masked_fill(~mask, 0)
