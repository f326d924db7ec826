"""What each of three processes does for test_sharding.py: three_processes.py DATASET FOLDER."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from gptcli.data.dataset import Dataset
from gptcli.errors import DivergedError, UsageError
from gptcli.evaluation.processes import joined
from gptcli.runtime.world import World
from gptcli.training.defaults import resolve
from gptcli.training.optimizers import optimizer_tensors, restore_optimizers
from gptcli.training.setup import join_training
from gptcli.training.sharding import whole_weights
from gptcli.training.step import Stepper
from gptcli.training.training_run import TrainingRun

STEPS = 4
SIZES = {
    "n_layer": 2, "n_head": 2, "n_embd": 20, "block_size": 16, "batch_size": 6, "grad_accum": 2,
    "max_iters": 30, "eval_interval": 10, "warmup_iters": 2, "optimizer": "adamw",
    "grad_clip": 0.5, "dropout": 0.0,
}  # fmt: skip
FAMILIES = ("gpt2", "nanochat")


def everything(training: TrainingRun) -> dict[str, Tensor]:
    """Copies of the whole weights and of all that the optimizers keep."""
    found = {
        **whole_weights(training.model, keeps=True),
        **optimizer_tensors(training.optimizers, training.model),
    }
    return {name: tensor.clone() for name, tensor in found.items()}


def are_equal(some: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
    return some.keys() == others.keys() and all(
        torch.equal(one, others[name]) for name, one in some.items()
    )


class Trials:
    """What is tried on a dataset, in a world whose processes have parts of a model."""

    def __init__(self, dataset: Dataset, world: World, folder: Path) -> None:
        self.dataset, self.world, self.folder = dataset, world, folder
        self.parts = replace(world, parts=world.size)

    def join(self, world: World, family: str = "gpt2", **given: object) -> TrainingRun:
        values = {**SIZES, "family": family, **given}
        resolved = resolve(values, None, self.dataset.vocab_size, "cpu", "float32", 1)
        return join_training(resolved, self.dataset, world=world)

    def learnt(self, world: World, family: str) -> dict[str, object]:
        """Figures of some steps, and how many numbers the process has; all tensors in a file."""
        training = self.join(world, family)
        stepper = training.stepper()
        for step in range(STEPS):
            stepper.advance(step)
        if tensors := everything(training) if world.rank == 0 else everything(training) and {}:
            save_file(tensors, self.folder / f"{family}-{world.parts}.safetensors")
        (adamw,) = training.optimizers
        own = [one for state in adamw.state.values() for one in state.values() if one.dim()]
        own += list(training.model.parameters())
        return {
            "figures": [(one.loss, one.gradient_norm) for one in stepper.figures()],
            "own": sum((one.to_local() if world.is_sharded else one).numel() for one in own),
        }

    def is_left_alone(self, defers: bool) -> bool:
        """Whether a step changes nothing that is no number in the last process alone."""
        training = self.join(self.parts)
        split, config = training.dataset.train, training.config
        stepper = Stepper(
            training.model, training.optimizers, split, config, defers, world=self.parts
        )
        stepper.advance(0)
        before = everything(training)
        if self.world.rank == self.world.size - 1:
            training.model.final_norm.register_forward_hook(lambda *given: given[2] * float("nan"))
        try:
            stepper.advance(1)
            stepper.advance(2)
            stepper.figures()
        except DivergedError as error:
            return error.step == 1 and are_equal(before, everything(training))
        return False

    def is_restored(self) -> bool:
        """Whether what was saved of one run is what another has that takes it over."""
        training, other = self.join(self.parts), self.join(self.parts)
        training.stepper().advance(0)
        saved = optimizer_tensors(training.optimizers, training.model)
        restore_optimizers(other.optimizers, other.model, saved)
        is_same = are_equal(saved, optimizer_tensors(other.optimizers, other.model))
        other.stepper().advance(1)  # with whole moments beside weights in parts torch would fail
        return is_same

    def is_whole_alone(self) -> bool:
        """Whether each process can use a whole model as often as it likes, which then is cut."""
        training = self.join(self.parts)
        training.stepper().advance(0)
        before, ids = everything(training), torch.arange(5)[None]
        with training.with_whole_model():
            answers = [training.model(ids) for _ in range(self.world.rank + 1)]
        training.stepper().advance(1)
        return bool(answers[0].isfinite().all()) and len(everything(training)) == len(before)

    def refusal(self) -> str:
        """What is said where the processes begin with different weights."""
        try:
            self.join(self.parts, seed=self.world.rank)
        except UsageError as error:
            return str(error)
        return ""

    def all(self) -> dict[str, object]:
        learnt = {
            f"{family}-{world.parts}": self.learnt(world, family)
            for family in FAMILIES
            for world in (self.world, self.parts)
        }
        return {
            "learnt": learnt,
            "checked at once": self.is_left_alone(defers=False),
            "deferred": self.is_left_alone(defers=True),
            "restored": self.is_restored(),
            "whole": self.is_whole_alone(),
            "refusal": self.refusal(),
        }


def main(data: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    with joined() as world:
        found = Trials(Dataset.open(data), world, folder).all()
    (folder / f"{world.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
