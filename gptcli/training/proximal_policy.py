"""PPO: a policy learns from rewards, helped by a model of what is still to be earned.

Schulman et al. 2017 (arXiv:1707.06347), for language models Ouyang et al. 2022
(arXiv:2203.02155). B answers, A tokens in the longest of them.
"""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from gptcli.checkpoint.tensors import Weights
from gptcli.config.objective import ProximalPolicy
from gptcli.config.training import TrainConfig
from gptcli.errors import CheckpointError
from gptcli.evaluation.scoring import answer_values
from gptcli.fast.layers import use_fast_layers
from gptcli.model.gpt import GPT
from gptcli.model.initialization import model_with, scoring_weights
from gptcli.training.learner import Learner
from gptcli.training.losses import (
    clipped_share,
    generalized_advantages,
    proximal_policy_losses,
    token_rewards,
    value_losses,
    whitened,
)
from gptcli.training.optimizers import (
    Optimizers,
    make_optimizers,
    optimizer_tensors,
    restore_optimizers,
)
from gptcli.training.policy import EndEpoch, PolicyTraining, divergence_figures
from gptcli.training.protocol import OF_OBJECTIVE, CheckStop, StepValues
from gptcli.training.rollouts import Rollouts, over_micro_batches
from gptcli.training.training_run import TrainingRun

_FASTER = 10  # times the policy's learning rate


class ProximalPolicyTraining(PolicyTraining):
    """PPO with a value model of its own weights, which starts as the reward model where one is."""

    def __init__(
        self, training: TrainingRun, objective: ProximalPolicy, check_stop: CheckStop
    ) -> None:
        super().__init__(training, objective, check_stop)
        self._objective = objective
        value = _value_model(training)
        self._value = Learner("value_grad_norm", value, _value_optimizers(value, training.config))
        self._learners.append(self._value)

    def _learn(self, rollouts: Rollouts, end_epoch: EndEpoch) -> list[StepValues]:
        objective, rows, value = self._objective, rollouts.rows, self._value.model
        parts = self._all_parts(rows)
        mask = torch.from_numpy(rows.mask).to(rollouts.rewards.device)
        old, ref = self._before(rows, parts)
        values = over_micro_batches(rows, parts, partial(answer_values, value))
        earned = token_rewards(rollouts.rewards, old, ref, mask, objective.kl_coef)
        raw, returns = generalized_advantages(earned, values, mask, objective.gae_lambda)
        advantages = whitened(raw, mask)
        fixed = {
            **divergence_figures(old, ref, rows),
            "explained_variance": explained_variance(values[mask], returns[mask]),
        }
        n_tokens = int(mask.sum())

        def epoch() -> StepValues:
            """Add up the gradients of both models."""
            loss = value_loss = clipped = 0.0
            for part in parts:
                lp, before = self._lp(self._policy, part.rows), part.of(old)
                given = (part.mask, part.of(advantages), objective.clip)
                mean = proximal_policy_losses(lp, before, *given).sum() / n_tokens
                mean.backward()  # type: ignore[no-untyped-call]
                loss += mean.item()
                share = clipped_share(lp.detach(), before, *given).item()
                clipped += share * int(part.mask.sum()) / n_tokens
                targets = (part.of(values), part.of(returns), part.mask, objective.clip)
                error = value_losses(answer_values(value, part.rows), *targets).sum() / n_tokens
                error.backward()  # type: ignore[no-untyped-call]
                value_loss += error.item()
            return {"loss": loss, "value_loss": value_loss, "clip_fraction": clipped}

        return [end_epoch({**epoch(), **fixed}) for _ in range(objective.epochs)]

    def state(self) -> Weights:
        """The value model's weights and moments."""
        model = self._value.model
        weights = {name: one.detach().cpu() for name, one in model.named_parameters()}
        moments = optimizer_tensors(self._value.optimizers, model)
        return {OF_OBJECTIVE + name: one for name, one in {**weights, **moments}.items()}

    def restore(self, state: Weights) -> None:
        """Put both back; CheckpointError where they are not those of this model."""
        if foreign := [name for name in state if not name.startswith(OF_OBJECTIVE)]:
            raise CheckpointError(f"the saved step holds {foreign[0]}, which PPO lacks")
        saved = {name.removeprefix(OF_OBJECTIVE): one for name, one in state.items()}
        model = self._value.model
        for name, parameter in model.named_parameters():
            found = saved.pop(name, None)
            if found is None or found.shape != parameter.shape or not found.isfinite().all():
                raise CheckpointError(f"the value model's {name} is missing or damaged")
            parameter.data.copy_(found)
        restore_optimizers(self._value.optimizers, model, saved)


def explained_variance(values: Tensor, returns: Tensor) -> float:
    """How much of the variance of the returns (N,) the values tell: 1 all, 0 or less nothing."""
    variance = returns.var(correction=0).item()
    return 1 - (returns - values).var(correction=0).item() / variance if variance else 0.0


def _value_model(training: TrainingRun) -> GPT:
    """The reward model, else the policy's trunk with a head that says 0."""
    source = training.reward_model or training.model
    config = replace(source.config.scoring(), dropout=0.0)
    own = {name: one.detach().clone() for name, one in source.named_parameters()}
    return use_fast_layers(model_with(config, scoring_weights(own))).to(training.config.device)


def _value_optimizers(model: GPT, config: TrainConfig) -> Optimizers:
    """Those of the policy at a higher rate: the value model has to keep up with it."""
    faster = replace(config, lr=_FASTER * config.lr, min_lr=_FASTER * config.min_lr)
    return make_optimizers(model, faster)
