"""Learning from pairs of answers, one of which was chosen: reward models, and DPO."""

import time
from abc import ABC, abstractmethod
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gptcli.checkpoint.tensors import Weights
from gptcli.config.objective import PreferenceOptimization
from gptcli.config.training import TrainConfig
from gptcli.data.answer_rows import AnswerRows, rows_of_pairs
from gptcli.data.order import ItemOrder
from gptcli.data.questions import Pairs, pairs_of
from gptcli.data.token_split import TokenSplit
from gptcli.errors import DataError
from gptcli.evaluation.evaluation_pass import evaluating
from gptcli.evaluation.log_probabilities import answer_log_probabilities
from gptcli.evaluation.pair_rewards import PairFigures, pair_rewards
from gptcli.evaluation.scoring import answer_scores
from gptcli.training.accumulation import Accumulation
from gptcli.training.learner import Learner, check_finite
from gptcli.training.losses import implicit_rewards, pair_losses
from gptcli.training.protocol import Figures, StepValues, Watch, check_nothing_else
from gptcli.training.shares import Shares
from gptcli.training.training_run import TrainingRun

_TIMED_PAIRS = 64
_SHARE_OF_TRAIN = 10  # a tenth of it is evaluated where there is no val split,
_LEAST_OF_TRAIN = 256  # but as many pairs at least, if there are


class PairTraining(ABC):
    """All that a reward model and DPO have in common: they differ in what rewards an answer.

    A row of a step is a pair. Which pairs a step sees follows from its number alone, and of
    several processes each computes its share of them.
    """

    def __init__(self, training: TrainingRun) -> None:
        self.config: TrainConfig = training.config
        self._training = training
        self._split = training.dataset.train
        self._pairs, self._val = map(self._fitting, (self._split, training.dataset.val))
        if not len(self._pairs):
            raise DataError(
                f"{training.dataset.directory} has no pair that fits into a context of "
                f"{training.model.config.block_size:,} tokens: prepare shorter ones"
            )
        rows = self.config.rows_per_iter
        self._order = ItemOrder(len(self._pairs), rows, self.config.seed)
        shares = Shares.of(self.config, training.world)
        self._learner = Learner("grad_norm", training.model, training.optimizers)
        self._accumulation = Accumulation(
            training.model, self.config, shares, self._learner.forget_gradient
        )
        self._unread: list[StepValues] = []

    @abstractmethod
    def rewards(self, rows: AnswerRows) -> Tensor:
        """The rewards of answers (B,), according to the model as it is now."""

    def shown(self, found: PairFigures) -> dict[str, float]:
        """The figures that are logged, by name."""
        return {"loss": found.loss, "accuracy": found.accuracy, "margin": found.margin}

    def advance(self, step: int) -> None:
        """Do a step, unless its loss or its gradient is not finite: then nothing changes."""
        self._learner.set_rates(step, self.config)
        pairs = self._pairs.at(self._order.items(step))
        found = self._gradient(pairs, step)
        norm = self._learner.clipped_norm(self.config.grad_clip)
        values = {**self.shown(found), self._learner.norm: norm}
        check_finite(step, values, self.config)
        self._learner.update()
        self._learner.forget_gradient()
        self._unread.append(values)

    def figures(self) -> list[StepValues]:
        """The figures of every step since the last call."""
        unread, self._unread = self._unread, []
        return unread

    def evaluate(self, step: int, watch: Watch) -> Figures:
        """The figures of val and of as many pairs of train; without val those of train decide."""
        values: dict[str, float] = {}
        for name, split, pairs in self._evaluated():
            figures = PairFigures.of(self._judged(split, pairs, name, watch))
            values |= {f"{name}_{key}": value for key, value in self.shown(figures).items()}
        check_finite(step, values, self.config)
        return Figures(values, values.get("val_loss", values["train_loss"]))

    def rehearse(self, rows: int) -> None:
        """Compute a gradient over so many pairs and discard it."""
        pairs = self._pairs.at(self._order.items(0)[:rows])
        self._backward(pairs, len(pairs), slice(None))
        self._learner.clipped_norm(self.config.grad_clip)
        self._learner.forget_gradient()

    def evaluation_seconds(self) -> float:
        """Seconds to evaluate both splits, from the time of some pairs after some to warm up.

        This process measures it by itself.
        """
        timed = self._pairs.at(slice(_TIMED_PAIRS))
        seconds = 0.0
        for _ in range(2):
            started = time.perf_counter()
            with evaluating(self._training.model):
                pair_rewards(self.rewards, self._split, timed)
            seconds = time.perf_counter() - started
        return seconds / len(timed) * sum(len(pairs) for _, _, pairs in self._evaluated())

    def state(self) -> Weights:
        """Nothing: weights and optimizers are saved for every objective."""
        return {}

    def restore(self, state: Weights) -> None:
        """Refuse what was saved for another objective."""
        check_nothing_else(state)

    def keep(self, step: int) -> Path | None:
        """Nothing: --replay reads windows of a text."""
        return None

    def _fitting(self, split: TokenSplit) -> Pairs:
        return pairs_of(split).fitting(self._training.model.config.block_size)

    def _gradient(self, pairs: Pairs, step: int) -> PairFigures:
        """Leave the gradient of the mean loss of these pairs; returns their figures."""
        # Side by side with others of their length pairs need little filling.
        by_length = pairs.at(pairs.lengths.argsort(kind="stable"))
        backward = partial(self._backward, by_length, len(pairs))
        loss, accuracy, chosen, rejected = self._accumulation.add_up(step, backward).tolist()
        return PairFigures(loss, accuracy, chosen - rejected, chosen, rejected)

    def _backward(self, pairs: Pairs, count: int, rows: slice) -> Tensor:
        """Add the gradient of some of a step's ``count`` pairs; returns their shares of its means.

        These are of the loss, the accuracy, and the rewards of chosen and rejected answers, (4,).
        """
        answers = rows_of_pairs(self._split, pairs.at(rows))
        chosen, rejected = self.rewards(answers).chunk(2)
        losses = pair_losses(chosen, rejected)
        (losses.sum() / count).backward()  # type: ignore[no-untyped-call]
        wins = (1 + (chosen - rejected).sign()) / 2
        return torch.stack([one.detach().sum() for one in (losses, wins, chosen, rejected)]) / count

    def _evaluated(self) -> list[tuple[str, TokenSplit, Pairs]]:
        """What an evaluation sees of each split: its name, the split, and its first pairs."""
        dataset, batches = self._training.dataset, self.config.eval_batches
        most = None if batches is None else batches * self.config.batch_size
        val = self._val.at(slice(most))
        share = 8 if self._training.plan else 1  # as for language modeling: steps are better
        few = max(_LEAST_OF_TRAIN, len(self._pairs) // _SHARE_OF_TRAIN)
        count = (len(val) or few) // share
        train = self._pairs.at(slice(max(1, count)))
        both = [("val", dataset.val, val), ("train", dataset.train, train)]
        return [one for one in both if len(one[2])]

    def _judged(
        self, split: TokenSplit, pairs: Pairs, name: str, watch: Watch
    ) -> NDArray[np.float64]:
        done = 0
        watch(name, done, len(pairs))

        def advance(count: int) -> None:
            nonlocal done
            done = min(done + count, len(pairs))
            watch(name, done, len(pairs))

        with evaluating(self._training.model):
            return pair_rewards(self.rewards, split, pairs, self._training.world, advance)


class RewardTraining(PairTraining):
    """Trains a reward model: the score of the chosen answer is to be the higher one."""

    def rewards(self, rows: AnswerRows) -> Tensor:
        """The scores of answers (B,)."""
        return answer_scores(self._training.model, rows, self.config.precision)


class PreferenceTraining(PairTraining):
    """Trains a policy by DPO: it is its own reward model, compared with its reference."""

    def __init__(self, training: TrainingRun, objective: PreferenceOptimization) -> None:
        super().__init__(training)
        assert training.reference is not None, "a policy is compared with its reference"
        self._reference = training.reference
        self._beta = objective.beta
        self._n_ids = training.dataset.tokenizer.vocab_size

    def rewards(self, rows: AnswerRows) -> Tensor:
        """By how much likelier than under the reference answers are, times beta, (B,)."""
        precision = self.config.precision
        lp = answer_log_probabilities(self._training.model, rows, self._n_ids, precision)
        with torch.no_grad():
            ref = answer_log_probabilities(self._reference, rows, self._n_ids, precision)
        mask = torch.from_numpy(rows.mask).to(lp.device)
        return implicit_rewards(lp, ref, mask, self._beta)

    def shown(self, found: PairFigures) -> dict[str, float]:
        """The figures that are logged, with the rewards of chosen and rejected answers."""
        own = {"chosen_reward": found.chosen, "rejected_reward": found.rejected}
        return {**super().shown(found), **own}
