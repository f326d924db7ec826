"""A run in memory: what setup.py or resuming.py makes and loop.py trains."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gptcli.checkpoint.resume import Progress
from gptcli.checkpoint.tensors import Weights
from gptcli.config.objective import LM, ObjectiveConfig
from gptcli.config.training import TrainConfig
from gptcli.data.dataset import Dataset
from gptcli.evaluation.rewards import ModelReward, Reward
from gptcli.model.gpt import GPT
from gptcli.runtime.directories import NewDirectory
from gptcli.runtime.world import ALONE, World
from gptcli.training.defaults import Material
from gptcli.training.ngram_teacher import NgramTeacher
from gptcli.training.optimizers import Optimizers
from gptcli.training.preflight import Preflight, preflight, training_memory_errors
from gptcli.training.sharding import weight_sums, whole_model
from gptcli.training.step import Stepper
from gptcli.training.time_budget import TimePlan
from gptcli.training.trackers import Trackers

Repeat = Callable[[TrainConfig], str | None]
"""The command that repeats a run with these training values, if there is one."""


def no_command(config: TrainConfig) -> str | None:
    """No command repeats the run."""
    return None


@dataclass
class TrainingRun:
    """A run in memory: what is trained, on what, and how far it has come.

    A new run is in its place from its first save on, which replaces an old one there. Of several
    processes that train it the first alone writes files.
    """

    place: NewDirectory
    config: TrainConfig
    dataset: Dataset
    model: GPT
    optimizers: Optimizers
    progress: Progress
    teacher: NgramTeacher | None = None
    objective: ObjectiveConfig = LM
    material: Material | None = None  # of another objective than lm
    reference: GPT | None = None  # the frozen weights of --init-from, for what needs them
    reward: Reward | None = None  # of a policy
    saved_state: Weights = field(default_factory=dict)  # of the objective, where it goes on
    plan: TimePlan | None = None  # of a run whose number of iterations follows from a time
    title: str = ""  # of loss.svg
    repeat: Repeat = no_command
    trackers: Trackers = field(default_factory=Trackers)
    world: World = ALONE

    @property
    def directory(self) -> Path:
        """Where the files of the run are now."""
        return self.place.directory

    @property
    def name(self) -> str:
        """The run's directory, as the user knows it."""
        return self.place.path.as_posix()

    def preflight(self) -> Preflight:
        """What the run takes with its present configuration."""
        model = self.model.config
        parts = self.world.parts
        return preflight(model, self.config, self.dataset, self.objective, self.material, parts)

    def digest(self) -> str:
        """The sha256 of all that decides the next step: weights, step, data and configuration."""
        state = (self.progress.step, weight_sums(self.model))
        configs = (self.objective, self.config, self.model.config)
        parts = (*configs, self.dataset.identity, *state)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    @contextmanager
    def with_whole_model(self) -> Iterator[None]:
        """A context in which the model is whole, for what each process computes by itself.

        All processes must enter it together.
        """
        own = self.model
        self.model = whole_model(own)
        try:
            yield
        finally:
            self.model = own

    @property
    def reward_model(self) -> GPT | None:
        """The frozen model that rewards a policy, if a model does."""
        return self.reward.loaded.model if isinstance(self.reward, ModelReward) else None

    @property
    def unit(self) -> str:
        """What the pace of the run is counted in: tokens, pairs or rollouts."""
        return "tokens" if self.is_language_modeling else f"{self.objective.row}s"

    @property
    def units_per_step(self) -> int:
        """How many of these one step takes."""
        rows = self.config.rows_per_iter
        return rows * self.model.config.block_size if self.is_language_modeling else rows

    @property
    def is_language_modeling(self) -> bool:
        """Whether the run learns as pre-training does."""
        return self.objective == LM

    def memory_errors(self) -> AbstractContextManager[None]:
        """A context in which memory that runs out is explained, with a batch that should fit."""
        resumed = self.place.path if self.place.is_in_place else None
        return training_memory_errors(
            self.model.config, self.config, resumed, self.objective, self.world.parts
        )

    def stepper(self) -> Stepper:
        """Make the object that does this run's optimizer steps."""
        split = self.dataset.train
        return Stepper(
            self.model, self.optimizers, split, self.config, teacher=self.teacher, world=self.world
        )
