"""The objective ``lm``: every token is predicted from those before it."""

import math
import time
from pathlib import Path

from gptcli.checkpoint.tensors import Weights
from gptcli.config.training import TrainConfig
from gptcli.data.token_split import TokenSplit
from gptcli.errors import DivergedError
from gptcli.evaluation.loss import Evaluation, evaluate_split, planned_targets
from gptcli.fast.compiled_blocks import uncompiled
from gptcli.training.blackbox import keep_step
from gptcli.training.protocol import Figures, StepValues, Watch, check_nothing_else, diverged
from gptcli.training.training_run import TrainingRun

_FEWEST_TOKENS = 2  # one to see, one to predict


class LanguageModelTraining:
    """Does the steps of a run with its Stepper, and evaluates parts of both splits."""

    def __init__(self, training: TrainingRun) -> None:
        self._training = training
        self._stepper = training.stepper()

    @property
    def config(self) -> TrainConfig:
        """The configuration of training, which may get another number of iterations."""
        return self._stepper.config

    @config.setter
    def config(self, config: TrainConfig) -> None:
        self._stepper.config = config

    def advance(self, step: int) -> None:
        """Do a step; on CUDA nothing waits for its figures."""
        self._stepper.advance(step)

    def figures(self) -> list[StepValues]:
        """The loss of every step, and the norm of its gradient before clipping."""
        return [
            {"loss": one.loss, "grad_norm": one.gradient_norm} for one in self._stepper.figures()
        ]

    def evaluate(self, step: int, watch: Watch) -> Figures:
        """The losses in nats per token of val and of an equally large part of train."""
        dataset = self._training.dataset
        has_val = dataset.val.n_targets > 0
        val = self._loss_over("val", dataset.val, dataset.val.n_tokens, watch) if has_val else None
        train = self._loss_over("train", dataset.train, self._part_of_train(), watch)
        decisive = train if val is None else val
        if not all(math.isfinite(loss) for loss in (train, decisive)):
            cause = f"the loss over train is {train:.4g}, over val {decisive:.4g}"
            raise DivergedError(diverged(step, cause, self.config))
        return Figures({"train_loss": train, "val_loss": val}, decisive)

    def evaluation_seconds(self) -> float:
        """Seconds to evaluate both splits, from the time of one batch after one that warms up."""
        training, config = self._training, self.config
        train, precision = training.dataset.train, config.evaluation_precision

        def first_batch() -> Evaluation:
            return evaluate_split(
                training.model, train, config.device, max_batches=1, precision=precision
            )

        first_batch()
        started = time.perf_counter()
        n_targets = first_batch().n_targets
        seconds = time.perf_counter() - started
        if config.eval_batches is not None:
            return 2 * seconds * config.eval_batches
        return 2 * seconds * max(1, training.dataset.val.n_targets) / n_targets

    def rehearse(self, rows: int) -> None:
        """Compute a gradient over so many rows and discard it."""
        self._stepper.rehearse(rows)

    def state(self) -> Weights:
        """Nothing: weights and optimizers are saved for every objective."""
        return {}

    def restore(self, state: Weights) -> None:
        """Refuse what was saved for another objective."""
        check_nothing_else(state)

    def keep(self, step: int) -> Path | None:
        """Keep the step's batch and what it did to each part of the model."""
        training, batch = self._training, self._stepper.batch(step)
        tokenizer = training.dataset.tokenizer
        return keep_step(training.directory, training.model, tokenizer, batch, self.config)

    def _part_of_train(self) -> int:
        """How many tokens of train to evaluate: as many as val has, without val a tenth.

        An eighth of that where a time is to be kept, which is better spent on steps.
        """
        train, val = self._training.dataset.train, self._training.dataset.val
        share = 8 if self._training.plan else 1
        if train.is_masked:
            windows = train.windows(self._training.model.config.block_size)
            return windows.tokens_with((val.n_targets or train.n_targets // 10) // share)
        n_tokens = val.n_tokens if val.n_targets else train.n_tokens // 10
        return max(_FEWEST_TOKENS, n_tokens // share)

    def _loss_over(self, name: str, split: TokenSplit, n_tokens: int, watch: Watch) -> float:
        """Mean loss over the start of a split."""
        model, config = self._training.model, self._training.config
        limit, done = config.eval_batches, 0
        total = planned_targets(model.config, split, n_tokens, limit)
        watch(name, done, total)

        def advance(targets: int) -> None:
            nonlocal done
            done += targets
            watch(name, done, total)

        with uncompiled(config.compile):
            return evaluate_split(
                model, split, config.device, n_tokens, limit, advance,
                config.evaluation_precision, self._training.world,
            ).loss  # fmt: skip
