"""The memory of a run with another objective than lm: several models share the device."""

from dataclasses import dataclass, replace
from pathlib import Path

from gptcli.accounting.memory import TRAINING_BYTES_PER_PARAMETER
from gptcli.accounting.parameters import exact_count
from gptcli.accounting.process_memory import ProcessMemory, process_memory
from gptcli.checkpoint.config_json import read_model_config
from gptcli.config.model import ModelConfig
from gptcli.config.objective import (
    REWARD_RULES,
    ObjectiveConfig,
    ProximalPolicy,
    is_policy,
)
from gptcli.config.training import TrainConfig
from gptcli.errors import MemoryExhaustedError
from gptcli.runtime.device import free_memory
from gptcli.training.at_once import answer_tokens_at_once
from gptcli.training.defaults import Material

_FLOAT32 = 4  # bytes
_GB = 1e9


@dataclass(frozen=True)
class ParameterCounts:
    """The parameters of all models of a run: those that are trained, and those that are frozen."""

    trained: int
    frozen: int

    @classmethod
    def of(cls, model: ModelConfig, objective: ObjectiveConfig) -> "ParameterCounts":
        """Those of the model, its reference, its reward model and its value model."""
        own, rewarding = exact_count(model), 0
        if is_policy(objective) and objective.reward not in REWARD_RULES:
            rewarding = exact_count(read_model_config(Path(objective.reward)))
        valuing = (rewarding or own) if isinstance(objective, ProximalPolicy) else 0
        reference = own if objective.needs_reference else 0
        return cls(own + valuing, reference + rewarding)

    @property
    def n_bytes(self) -> int:
        """Their bytes: weight, gradient and two moments, or the weight alone."""
        return TRAINING_BYTES_PER_PARAMETER * self.trained + _FLOAT32 * self.frozen


def check_models_fit(model: ModelConfig, objective: ObjectiveConfig, device: str) -> None:
    """Raise MemoryExhaustedError where the device has no room for the models alone."""
    counts, free = ParameterCounts.of(model, objective), free_memory(device)
    if free is not None and counts.n_bytes > free:
        raise MemoryExhaustedError(
            f"--objective {objective.name} trains {counts.trained / 1e6:,.0f}M parameters "
            f"(16 bytes each) beside {counts.frozen / 1e6:,.0f}M frozen ones (4 bytes each), "
            f"{counts.n_bytes / _GB:,.1f} GB in all, and {device} has {free / _GB:,.1f} GB left: "
            "begin with a smaller model"
        )


def objective_memory(
    model: ModelConfig, training: TrainConfig, objective: ObjectiveConfig, material: Material
) -> ProcessMemory:
    """About what a run takes: its models, and a micro-batch of its longest rows."""
    counts, own = ParameterCounts.of(model, objective), exact_count(model)
    n_rows = 2 * training.batch_size  # of a pair both answers
    if is_policy(objective):
        most = answer_tokens_at_once(training.device) // material.longest_row
        n_rows = int(min(training.batch_size, max(1, most)))
    shape = replace(model, block_size=min(model.block_size, material.longest_row))
    at_once = replace(training, batch_size=n_rows)
    step = process_memory(shape, at_once, 0, whole_logits=True)
    more, moments = counts.trained - own, step.optimizer // own
    beside = _FLOAT32 * (more + counts.frozen)
    added = beside + (moments + _FLOAT32) * more
    return replace(
        step,
        weights=step.weights + beside,
        gradients=step.gradients + _FLOAT32 * more,
        optimizer=step.optimizer + moments * more,
        peak=step.peak + added,
    )
