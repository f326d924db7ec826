"""Learning from answers that the model itself writes: what GRPO and PPO share.

An iteration writes answers to questions, asks what each is worth, and makes those likelier that
are worth more. B answers, A tokens in the longest of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from gptcli.checkpoint.tensors import Weights
from gptcli.config.objective import PolicyConfig
from gptcli.config.training import TrainConfig
from gptcli.data.answer_rows import AnswerRows
from gptcli.errors import CheckpointError, DivergedError
from gptcli.evaluation.log_probabilities import answer_log_probabilities
from gptcli.model.gpt import GPT
from gptcli.training.learner import Learner, check_finite
from gptcli.training.policy_evaluation import PolicyEvaluation
from gptcli.training.protocol import (
    CheckStop,
    Figures,
    StepValues,
    Watch,
    check_nothing_else,
    diverged,
)
from gptcli.training.rollouts import (
    MicroBatch,
    Rollouts,
    RolloutWriter,
    micro_batches,
    over_micro_batches,
)
from gptcli.training.training_run import TrainingRun

EndEpoch = Callable[[StepValues], StepValues]
"""Called with the figures of an epoch when its gradients are there; returns them with its own."""


class PolicyTraining(ABC):
    """Writes the answers of an iteration and learns from them; subclasses say how.

    Nothing but weights and moments is carried from one iteration to the next: questions and
    random streams follow from the number of the iteration.
    """

    def __init__(
        self, training: TrainingRun, objective: PolicyConfig, check_stop: CheckStop
    ) -> None:
        assert training.reference is not None, "a policy is compared with its reference"
        self.config: TrainConfig = training.config
        self._policy = training.model
        self._reference = training.reference
        self._tokenizer = training.dataset.tokenizer
        self._learners = [Learner("grad_norm", training.model, training.optimizers)]
        self._rollouts = RolloutWriter(training, objective, check_stop)
        self._evaluation = PolicyEvaluation(training, self._rollouts)
        self._unread: list[StepValues] = []

    @abstractmethod
    def _learn(self, rollouts: Rollouts, end_epoch: EndEpoch) -> list[StepValues]:
        """Add up the gradients of each epoch; returns what ``end_epoch`` made of its figures."""

    def advance(self, step: int) -> None:
        """Do one iteration; a stop is looked for while answers are written, not later."""
        for learner in self._learners:
            learner.set_rates(step, self.config)
        with self._explained(step):
            rollouts = self._rollouts.write(step)
        check_finite(step, rollouts.figures, self.config)
        epochs = self._learn(rollouts, partial(self._update, step))
        means = {name: sum(one[name] for one in epochs) / len(epochs) for name in epochs[0]}
        self._unread.append({**means, **rollouts.figures})

    def _update(self, step: int, values: StepValues) -> StepValues:
        """Update the weights, unless a figure is not finite: then nothing changes."""
        limit = self.config.grad_clip
        found = {**values, **{one.norm: one.clipped_norm(limit) for one in self._learners}}
        check_finite(step, found, self.config)
        for learner in self._learners:
            learner.update()
            learner.forget_gradient()
        return found

    @contextmanager
    def _explained(self, step: int) -> Iterator[None]:
        """Say of a policy that can write no more that it diverged: its file is not damaged."""
        try:
            yield
        except CheckpointError:
            raise DivergedError(
                diverged(step, "the policy's logits are not finite", self.config), step
            ) from None

    def rehearse(self, rows: int) -> None:
        """Write so many answers and compute the gradients of an iteration; none is kept."""
        self._learn(self._rollouts.rehearsed(rows), self._forget)

    def _forget(self, values: StepValues) -> StepValues:
        for learner in self._learners:
            learner.forget_gradient()
        return values

    def figures(self) -> list[StepValues]:
        """The figures of every iteration since the last call."""
        unread, self._unread = self._unread, []
        return unread

    def evaluate(self, step: int, watch: Watch) -> Figures:
        """What held-out questions are answered, and what that is worth."""
        with self._explained(step):
            rollouts = self._evaluation.rollouts(watch)
        rows = rollouts.rows
        old, ref = self._before(rows, self._all_parts(rows))
        divergence = divergence_figures(old, ref, rows)["kl"]
        check_finite(step, {"kl": divergence, **rollouts.figures}, self.config)
        return self._evaluation.figures(rollouts, divergence)

    def evaluation_seconds(self) -> float:
        """About how long an evaluation takes."""
        return self._evaluation.seconds()

    def state(self) -> Weights:
        """Nothing beside the policy."""
        return {}

    def restore(self, state: Weights) -> None:
        """Refuse what was saved for another objective."""
        check_nothing_else(state)

    def keep(self, step: int) -> Path | None:
        """Nothing: its batch is not in the data, but written by the model."""
        return None

    def _lp(self, model: GPT, rows: AnswerRows) -> Tensor:
        """The function that update, ratio and divergence share, so that they agree exactly.

        The tokens are those that rollouts are drawn from.
        """
        known = self._tokenizer
        return answer_log_probabilities(model, rows, known.vocab_size, never=known.missing_ids)

    def _all_parts(self, rows: AnswerRows) -> list[MicroBatch]:
        """All rows in micro-batches."""
        is_used = torch.ones(len(rows), dtype=torch.bool, device=self.config.device)
        return micro_batches(rows, is_used, self.config.batch_size)

    def _before(self, rows: AnswerRows, parts: Sequence[MicroBatch]) -> tuple[Tensor, Tensor]:
        """Log-probabilities before the update, (B, A): of the policy and of its reference."""
        models = (self._policy, self._reference)
        old, ref = (over_micro_batches(rows, parts, partial(self._lp, one)) for one in models)
        return old, ref


def divergence_figures(old: Tensor, ref: Tensor, rows: AnswerRows) -> StepValues:
    """How far a policy is from its reference, per answer; how undecided it is, per token.

    In nats, as means over what the policy itself drew: log-probabilities (B, A) of both.
    """
    n_tokens = int(rows.n_tokens.sum())
    return {"kl": (old - ref).sum().item() / len(rows), "entropy": -old.sum().item() / n_tokens}
