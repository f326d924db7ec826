"""Losses and figures of the objectives against TRL's trainers."""

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from gptcli.training.losses import clipped_share, group_policy_losses

CLIP = 0.2


def trl_group_policy(lp: Tensor, old: Tensor, ref: Tensor, mask: Tensor, **given: object) -> Tensor:
    """GRPOTrainer._compute_loss as loss_type dr_grpo, on log-probabilities that are given."""
    from trl.trainer.grpo_trainer import GRPOTrainer

    beta, clipped = given["beta"], given["clipped"]
    trainer = SimpleNamespace(
        loss_type="dr_grpo",
        beta=beta,
        args=SimpleNamespace(use_bias_correction_kl=True, delta=None),
        epsilon_low=CLIP,
        epsilon_high=CLIP,
        importance_sampling_level="token",
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        aux_loss_enabled=False,
        use_vllm=False,
        _entropy_bonus_enabled=False,
        max_completion_length=given["max_new_tokens"],
        current_gradient_accumulation_steps=1,
        model=SimpleNamespace(training=True),
        accelerator=SimpleNamespace(gather=lambda x: x, reduce=lambda x, reduction: x),
        _metrics={"train": defaultdict(list)},
        _get_per_token_logps_and_entropies=lambda *_, **__: (lp, torch.zeros_like(lp), None),
    )
    filler = torch.zeros(len(lp), 1, dtype=torch.long)
    inputs = {
        "prompt_ids": filler,
        "prompt_mask": filler,
        "completion_ids": torch.zeros(lp.shape, dtype=torch.long),
        "completion_mask": mask.long(),
        "advantages": given["advantages"],
        "old_per_token_logps": old,
        "ref_per_token_logps": ref,
    }
    loss: Tensor = GRPOTrainer._compute_loss(trainer, None, inputs)
    clipped += trainer._metrics["train"]["clip_ratio/region_mean"]
    return loss


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_grpo_has_the_loss_and_the_gradient_of_trl(beta: float) -> None:
    generator = torch.Generator().manual_seed(4)
    lp, old, ref = (torch.randn(6, 7, generator=generator) / 2 - 2 for _ in range(3))
    mask = torch.arange(7) < torch.tensor([7, 3, 1, 5, 2, 7])[:, None]
    advantages = torch.tensor([0.5, -0.5, 1.0, -1.0, 0.0, 0.25])
    ratio = (lp - old).exp()[mask]
    assert min((ratio > 1 + CLIP).sum(), (ratio < 1 - CLIP).sum(), (ratio - 1).abs().lt(0.2).sum())
    found, clipped = [], list[float]()
    for is_trl in (True, False):
        at = lp.clone().requires_grad_()
        if is_trl:
            given = {"beta": beta, "advantages": advantages, "max_new_tokens": 9}
            loss = trl_group_policy(at, old, ref, mask, clipped=clipped, **given)
        else:
            losses = group_policy_losses(at, old, mask, advantages, CLIP, ref, beta)
            loss = losses.sum() / (6 * 9)
        loss.backward()
        found.append((loss.detach(), at.grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-7)
    assert found[0][1].abs().max() > 0.01
    share = clipped_share(lp, old, mask, advantages[:, None], CLIP)
    assert [share.item()] == pytest.approx(clipped)
