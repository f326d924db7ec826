"""The models that a run begins with, and those that stay beside it, frozen.

An objective may need a reference, which is the model of --init-from as it was, and a policy may be
judged by a reward model. A run that goes on reads both again, and they must not have changed.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from gptcli.checkpoint.run import Origin, RunRecord
from gptcli.checkpoint.tensors import Weights
from gptcli.checkpoint.weight_file import opened_weights
from gptcli.config.model import ModelConfig
from gptcli.config.objective import (
    MISSING_EOS_PENALTY,
    REWARD_RULES,
    ObjectiveConfig,
    PolicyConfig,
    ProximalPolicy,
    is_policy,
)
from gptcli.data.dataset import Dataset
from gptcli.errors import CheckpointError, GptcliError, UsageError
from gptcli.evaluation.rewards import Reward, open_reward
from gptcli.fast.layers import use_fast_layers
from gptcli.model.gpt import GPT
from gptcli.model.initialization import model_with, new_model, scoring_weights
from gptcli.runtime.hashing import sha256_of_streams
from gptcli.runtime.seeds import derive_seed
from gptcli.tokenization.loading import load_tokenizer
from gptcli.training.defaults import Resolved
from gptcli.training.starting_point import StartingPoint


@dataclass(frozen=True)
class Companions:
    """What stays beside the trained model: its reference and the reward of its answers.

    ``reward_origin`` is the checkpoint of a reward model.
    """

    reference: GPT | None = None
    reward: Reward | None = None
    reward_origin: Origin | None = None


@dataclass(frozen=True)
class FirstModels:
    """The model that a new run trains, where it comes from, and what stays beside it."""

    model: GPT
    origin: Origin | None
    companions: Companions


def begin_with(resolved: Resolved, dataset: Dataset, start: StartingPoint | None) -> FirstModels:
    """A model with random weights, or with those of ``start``, and its companions."""
    config, device = resolved.model, resolved.training.device
    if start is None:
        model = new_model(config, derive_seed(resolved.training.seed, "weights"))
        return FirstModels(model, None, Companions())
    weights, origin = start.weights(config.block_size)
    companions = Companions()
    if is_policy(resolved.objective):
        name = resolved.objective.reward
        judge = None if name in REWARD_RULES else Origin(name, _weights_hash(Path(name)))
        companions = Companions(None, _reward(resolved.objective, dataset, device), judge)
    if resolved.objective.needs_reference:
        copied = {name: tensor.clone() for name, tensor in weights.items()}
        companions = replace(companions, reference=_frozen(config, copied, device))
    if config.score:
        weights = scoring_weights(weights)
    return FirstModels(model_with(config, weights), origin, companions)


def companions_again(record: RunRecord, dataset: Dataset) -> Companions:
    """The companions of a run that goes on, after ``check_companions``."""
    companions, device = Companions(), record.training.device
    if is_policy(record.objective):
        companions = Companions(reward=_reward(record.objective, dataset, device))
    if record.objective.needs_reference and record.init_from is not None:
        start = StartingPoint.at(Path(record.init_from.checkpoint))
        start = start.grown(load_tokenizer(start.directory), dataset.tokenizer)
        weights, _ = start.weights(record.model.block_size)
        companions = replace(companions, reference=_frozen(record.model, weights, device))
    return companions


def check_companions_stay(
    directory: Path, objective: ObjectiveConfig, start: StartingPoint | None
) -> None:
    """Raise UsageError where a run would replace a model that it needs again when it is resumed."""
    needed: dict[str, Path] = {}
    if objective.needs_reference and start is not None:
        needed["--init-from"] = start.directory
    if is_policy(objective) and objective.reward not in REWARD_RULES:
        needed["--reward"] = Path(objective.reward)
    for flag, companion in needed.items():
        if companion.resolve() == directory.resolve():
            raise UsageError(
                f"--out {directory} is also {flag}, which the run needs as it is until its end: "
                "choose another --out"
            )


def check_companions(record: RunRecord) -> None:
    """Raise CheckpointError where a companion of a run is gone or has changed since it began."""
    origins = {"--reward": record.reward}
    if record.objective.needs_reference:
        origins["--init-from"] = record.init_from
    for flag, origin in origins.items():
        if origin is not None:
            _check_as_it_was(flag, origin)


def _check_as_it_was(flag: str, origin: Origin) -> None:
    what = f"{origin.checkpoint}, the {flag} of this run,"
    try:
        now = _weights_hash(Path(origin.checkpoint))
    except (OSError, GptcliError) as error:
        raise CheckpointError(
            f"{what} cannot be read ({error}): put it back; its weights have the sha256 "
            f"{origin.weights}"
        ) from error
    if now != origin.weights:
        raise CheckpointError(
            f"{what} has changed: its weights have the sha256 {now}, and had {origin.weights}: "
            "put it back as it was"
        )


def _reward(objective: PolicyConfig, dataset: Dataset, device: str) -> Reward:
    penalty = MISSING_EOS_PENALTY
    if isinstance(objective, ProximalPolicy):
        penalty = objective.missing_eos_penalty
    return open_reward(objective.reward, dataset, device, penalty)


def _weights_hash(directory: Path) -> str:
    with opened_weights(directory) as files:
        return sha256_of_streams(file.stream for file in files)


def _frozen(config: ModelConfig, weights: Weights, device: str) -> GPT:
    model = use_fast_layers(model_with(config, weights)).to(device)
    return model.eval().requires_grad_(False)
