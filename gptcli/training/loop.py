"""The training loop: step, evaluate, save, until done or asked to stop."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gptcli.checkpoint.publish import publish_weights
from gptcli.checkpoint.resume import Progress, Snapshot, save_step
from gptcli.checkpoint.run import change_plan, mark_saved
from gptcli.checkpoint.tensors import not_finite
from gptcli.config.objective import is_policy
from gptcli.config.training import TrainConfig
from gptcli.errors import DivergedError, TrainingStopped, reason_of
from gptcli.evaluation.processes import any_of_them, check_alike, failing_together, from_first
from gptcli.runtime.escapes import typed
from gptcli.runtime.signals import StopRequest
from gptcli.training.metrics_log import AnswersLog, MetricsLog
from gptcli.training.objectives import objective_of
from gptcli.training.optimizers import optimizer_tensors
from gptcli.training.plot import PLOT_FILE, draw_loss, draw_policy
from gptcli.training.preflight import check_disk
from gptcli.training.protocol import StopAsked, diverged
from gptcli.training.reporter import EvaluationReport, Reporter, StepReport
from gptcli.training.schedule import learning_rate
from gptcli.training.sharding import whole_weights
from gptcli.training.time_budget import TimePlan
from gptcli.training.training_run import TrainingRun

_LOG_INTERVAL = 10


def run_training(training: TrainingRun, reporter: Reporter, stop: StopRequest) -> Progress:
    """Train to the last step; returns the final progress.

    Raises TrainingStopped, after saving, when ``stop`` was requested; DivergedError with the
    saved weights untouched; MemoryExhaustedError.
    """
    with training.memory_errors(), failing_together():
        return _Loop(training, reporter, stop).run()


class _Loop:
    def __init__(self, training: TrainingRun, reporter: Reporter, stop: StopRequest) -> None:
        self._training = training
        self._reporter = reporter
        self._stop = stop
        self._objective = objective_of(training, self._check_stop)
        if training.place.is_in_place:
            self._objective.restore(training.saved_state)
        self._world = training.world
        self._writes = training.world.rank == 0
        self._is_uncompiled = training.config.compile

    def run(self) -> Progress:
        check_alike(self._world, self._training.digest())
        if self._writes:
            self._log.cut_back(self._step)
            if is_policy(self._training.objective):
                AnswersLog(self._training.directory).cut_back(self._step)
        self._training.model.train()
        try:
            while True:
                if self._is_evaluation_due():
                    self._evaluate_and_save()
                if self._step >= self._config.max_iters or self._is_patience_over():
                    return self._training.progress
                self._advance_to(self._next_pause())
                self._keep_to_time()
        except DivergedError as error:
            raise DivergedError(f"{error}{self._kept(error.step)}", error.step) from None
        except StopAsked:
            if not self._training.place.is_in_place:
                raise self._stop.before_first_step() from None
            self._save()
            raise TrainingStopped(
                f"stopped by {self._stop.signal_name} and saved at step {self._step:,} of "
                f"{self._config.max_iters:,}; resume with: "
                f"gptcli train --resume {typed(self._training.name)}{self._training.trackers.flags}"
            ) from None

    def _kept(self, step: int | None) -> str:
        """Keep what made a step go wrong; returns how it can be looked at."""
        if step is None:
            return ""
        try:
            with self._training.with_whole_model():
                if not self._writes or not self._training.place.is_in_place:
                    return ""
                place = self._objective.keep(step)
        except Exception as error:
            self._reporter.warned(f"the step was not kept: {reason_of(error)}")
            return ""
        if place is None:
            return ""
        return f"; its batch is kept: gptcli train --replay {typed(place.as_posix())}"

    @property
    def _log(self) -> MetricsLog:
        return MetricsLog(self._training.directory)

    @property
    def _step(self) -> int:
        return self._training.progress.step

    @property
    def _config(self) -> TrainConfig:
        return self._training.config

    def _is_patience_over(self) -> bool:
        """Whether the last ``patience`` evaluations were no better than one before them."""
        patience, progress = self._config.patience, self._training.progress
        worse = progress.evaluated_step - max(0, progress.best_step)
        return patience is not None and worse >= patience * self._config.eval_interval

    def _is_evaluation_due(self) -> bool:
        config, progress = self._config, self._training.progress
        is_turn = self._step % config.eval_interval == 0 or self._step == config.max_iters
        return is_turn and progress.evaluated_step != self._step

    def _next_pause(self) -> int:
        """The next step at which something is logged or evaluated."""
        config, plan = self._config, self._training.plan
        every = 1 if is_policy(self._training.objective) else _LOG_INTERVAL
        if plan is not None:  # the first process's clock decides for all
            (every,) = from_first(self._world, plan.pause(every))
        turns = [(self._step // turn + 1) * turn for turn in (every, config.eval_interval)]
        return min(*turns, config.max_iters)

    def _advance_to(self, target: int) -> None:
        """Do optimizer steps up to ``target``, then report the means of their figures."""
        first, started = self._step, time.perf_counter()
        self._reporter.doing("compiling" if self._is_uncompiled else "training")
        while self._step < target and not any_of_them(self._world, bool(self._stop)):
            self._objective.advance(self._step)
            self._training.progress = replace(self._training.progress, step=self._step + 1)
            self._reporter.advanced(self._step)
            if self._is_uncompiled:  # the first step has compiled the blocks
                self._is_uncompiled = False
                self._reporter.doing("training")
        figures = self._objective.figures()  # before a save, for they tell whether all went well
        if self._step < target:
            raise StopAsked
        training, count = self._training, target - first
        seconds = time.perf_counter() - started
        pace = count * training.units_per_step / seconds
        means = {name: sum(one[name] for one in figures) / count for name in figures[0]}
        rate = learning_rate(target - 1, self._config)
        own = {f"{training.unit}_per_second": round(pace), "lr": rate}
        self._write(target, **means, **own)
        self._reporter.stepped(StepReport(target, means, rate, pace))
        if self._training.plan:
            self._training.plan.stepped(count, seconds)

    def _keep_to_time(self) -> None:
        """Change the number of iterations where the time asks for it, in train.json too."""
        training, plan = self._training, self._training.plan
        if plan is None:
            return
        revised = plan.revised(self._step, training.config)
        config = revised or training.config
        is_revised, iters, interval = from_first(
            self._world, revised is not None, config.max_iters, config.eval_interval
        )
        if not is_revised:
            return
        config = replace(training.config, max_iters=iters, eval_interval=interval)
        training.config = self._objective.config = config
        if not self._writes:
            return
        repeat = None if plan.unrepeatable else training.repeat(config)
        change_plan(training.directory, config, repeat)
        self._reporter.planned(self._step, config)

    def _evaluate_and_save(self) -> None:
        started, plan = time.perf_counter(), self._training.plan
        with self._training.with_whole_model():
            self._evaluate()
        seconds = time.perf_counter() - started
        if plan and self._writes and not self._training.place.is_in_place:
            self._check_has_time(plan, seconds)
        started = time.perf_counter()
        self._save()
        if plan:
            plan.evaluated(seconds + time.perf_counter() - started)

    def _check_has_time(self, plan: TimePlan, evaluation: float) -> None:
        """UsageError before anything is replaced, where a step cannot end in time.

        A step is tried; twice where it seems too slow, since the first one may be compiling. The
        step of a model in parts is not, since that takes all processes.
        """
        plan.check_has_time(evaluation=evaluation)
        if self._world.is_sharded:
            return
        seconds = math.inf
        for _ in range(2):
            started = time.perf_counter()
            self._objective.rehearse(self._config.batch_size)
            seconds = min(seconds, (time.perf_counter() - started) * self._config.grad_accum)
            if plan.budget.elapsed + seconds + evaluation < plan.budget.seconds:
                return
        plan.check_has_time(seconds, evaluation)

    def _evaluate(self) -> None:
        progress = self._training.progress
        found = self._objective.evaluate(self._step, self._watch)
        best = progress.best_loss
        # Step 0 is the best only until there is another: a run answers with what it has learnt.
        is_best = best is None or found.decisive < best or progress.best_step == 0
        self._training.progress = replace(
            progress,
            evaluated_step=self._step,
            best_step=self._step if is_best else progress.best_step,
            best_loss=found.decisive if is_best else best,
        )
        self._write(self._step, **found.values)
        self._write_answers(found.answers)
        self._reporter.evaluated(EvaluationReport(self._step, found.values, is_best))

    def _watch(self, split: str, done: int, total: int) -> None:
        """Show how far an evaluation is, and stop it where that is asked."""
        self._reporter.evaluating(split, done, total)
        self._check_stop()

    def _check_stop(self) -> None:
        if self._stop and self._world.size == 1:  # others would wait for the sums
            raise StopAsked

    def _save(self) -> None:
        """Publish the best weights first, then commit the step, so that no crash loses them.

        Before the first evaluation after step 0 the latest weights are published. Raises
        DivergedError, and writes nothing, where a number to be saved is not finite.
        """
        self._reporter.doing("saving")
        training, progress = self._training, self._training.progress
        weights = whole_weights(training.model, self._writes)
        optimizer = optimizer_tensors(training.optimizers, training.model, self._writes)
        if not self._writes:
            return
        config = training.model.config
        optimizer |= self._objective.state()
        if name := not_finite({**weights, **optimizer}):
            cause = f"{name} holds numbers that are not finite"
            raise DivergedError(diverged(progress.step, cause, self._config))
        check_disk(config, self._config, training.directory, n_saves=1)
        if progress.best_step in (progress.step, 0):
            publish_weights(training.directory, weights, config, progress.step)
        snapshot = Snapshot(config, progress, weights, optimizer)
        save_step(training.directory, snapshot, training.dataset.tokenizer, self._config.keep)
        mark_saved(training.directory)
        training.place.commit()
        self._pass_on()
        self._draw()
        self._reporter.saved(progress.step)

    def _draw(self) -> None:
        """Draw loss.svg once there is a step to draw; if that fails, warn and go on training."""
        if not self._step:
            return
        directory = self._training.directory
        lines, title = self._log.read(), self._training.title
        row = "token" if self._training.is_language_modeling else self._training.objective.row
        try:
            if is_policy(self._training.objective):
                draw_policy(lines, directory / PLOT_FILE, title)
            else:
                draw_loss(lines, directory / PLOT_FILE, title, self._config.warmup_iters, row)
        except Exception as error:
            self._reporter.warned(f"{directory / PLOT_FILE} was not drawn: {error}")

    def _write(self, step: int, **values: float | None) -> None:
        """Append to metrics.jsonl; if that fails, warn and go on training."""
        if not self._writes:
            return
        try:
            self._log.append(step, **values)
        except OSError as error:
            self._reporter.warned(f"step {step:,} was not logged: {error}")
        self._training.trackers.log(step, values)
        if self._training.place.is_in_place:
            self._pass_on()

    def _write_answers(self, answers: Sequence[Mapping[str, object]]) -> None:
        """Append to answers.jsonl; if that fails, warn and go on training."""
        if not self._writes:
            return
        log = AnswersLog(self._training.directory)
        try:
            for one in answers:
                log.append(self._step, **one)
        except OSError as error:
            self._reporter.warned(f"answers of step {self._step:,} were not kept: {error}")

    def _pass_on(self) -> None:
        """Give the trackers their figures; if that fails, warn and go on without them."""
        trackers = self._training.trackers
        try:
            trackers.pass_on(self._training.directory)
        except Exception as error:
            self._reporter.warned(f"the run is not tracked any longer: {reason_of(error)}")
