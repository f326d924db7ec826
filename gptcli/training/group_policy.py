"""GRPO: a policy learns from rewards, and an answer is compared with others to its question.

Shao et al. 2024 (arXiv:2402.03300), without its two biases: Liu et al. 2025 (arXiv:2503.20783).
B answers, A tokens in the longest of them.
"""

from functools import partial

import torch

from gptcli.config.objective import GroupPolicy
from gptcli.data.answer_rows import AnswerRows
from gptcli.training.losses import clipped_share, group_advantages, group_policy_losses
from gptcli.training.policy import EndEpoch, PolicyTraining, divergence_figures
from gptcli.training.protocol import CheckStop, StepValues
from gptcli.training.rollouts import Rollouts, micro_batches, over_micro_batches
from gptcli.training.training_run import TrainingRun

_MEASURED = 4  # one answer in so many


class GroupPolicyTraining(PolicyTraining):
    """GRPO: an answer is as good as it is worth more than others to the same question."""

    def __init__(
        self, training: TrainingRun, objective: GroupPolicy, check_stop: CheckStop
    ) -> None:
        super().__init__(training, objective, check_stop)
        self._objective = objective

    def _learn(self, rollouts: Rollouts, end_epoch: EndEpoch) -> list[StepValues]:
        objective, rows, size = self._objective, rollouts.rows, self.config.batch_size
        advantages = group_advantages(rollouts.rewards, objective.group_size)
        is_zero = advantages == 0
        # Without a divergence, answers that are worth as much as their group teach nothing.
        used = micro_batches(rows, ~is_zero | (objective.kl_coef > 0), size)
        old, ref = torch.zeros(rows.mask.shape, device=is_zero.device), None
        if objective.kl_coef:
            ref = over_micro_batches(rows, used, partial(self._lp, self._reference))
        groups = is_zero.view(-1, objective.group_size).all(1)
        fixed = {**self._divergence_figures(rows), "zero_groups": groups.float().mean().item()}
        n_tokens = int(rows.n_tokens.sum())

        def epoch(number: int) -> StepValues:
            """Add up the gradient of all that is used."""
            loss = clipped = 0.0
            for part in used:
                lp = self._lp(self._policy, part.rows)
                if number == 0:
                    part.put(old, lp)
                before, own = part.of(old), advantages[part.numbers]
                under = None if ref is None else part.of(ref)
                losses = group_policy_losses(
                    lp, before, part.mask, own, objective.clip, under, objective.kl_coef
                )
                mean = losses.sum() / (len(rows) * objective.max_new_tokens)
                mean.backward()  # type: ignore[no-untyped-call]
                loss += mean.item()
                share = clipped_share(lp.detach(), before, part.mask, own[:, None], objective.clip)
                clipped += share.item() * int(part.mask.sum()) / n_tokens
            return {"loss": loss, "clip_fraction": clipped}

        return [end_epoch({**epoch(number), **fixed}) for number in range(objective.epochs)]

    def _divergence_figures(self, rows: AnswerRows) -> StepValues:
        """How far the policy is from its reference: no loss needs it, so of some rows alone."""
        some = rows[::_MEASURED]
        return divergence_figures(*self._before(some, self._all_parts(some)), some)
