"""What a run learns: the next token, or from ranked answers, or from rewards; checked when made.

Every objective but the first starts from the weights of a checkpoint and is computed in float32.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar, TypeGuard

from gptcli.config.checks import (
    check_choice,
    check_not_negative,
    check_positive,
    check_whole,
)
from gptcli.errors import UsageError

REWARD_RULES = ("exact", "final")  # rewards that need no model
MISSING_EOS_PENALTY = 1.0  # from the score of an answer without an end


class _Traits:
    """What is always so with an objective.

    Attributes:
        name: as ``--objective`` has it.
        row: what one row of a batch is.
        judged_by: the evaluated figure that decides which weights are the best.
        is_highest_best: whether a higher figure is better.
        needs_reference: whether the weights of --init-from stay beside the trained ones, frozen.

    """

    name: ClassVar[str]
    row: ClassVar[str]
    judged_by: ClassVar[str] = "loss"
    is_highest_best: ClassVar[bool] = False
    needs_reference: ClassVar[bool] = False

    def judged(self, decisive: float) -> float:
        """The figure ``judged_by`` of what decides, the lowest of which is the best."""
        return -decisive if self.is_highest_best else decisive


class _PolicyTraits(_Traits):
    """What is always so with a policy: a model that learns from the answers that it writes."""

    row = "rollout"
    judged_by = "reward"
    is_highest_best = True
    needs_reference = True


@dataclass(frozen=True)
class LanguageModeling(_Traits):
    """Predict every token that counts from those before it: pre-training and fine-tuning."""

    name = "lm"
    row = "window"


@dataclass(frozen=True)
class RewardModeling(_Traits):
    """Give the chosen answer of a pair a higher score than the rejected one.

    (Bradley and Terry 1952; Ouyang et al. 2022, arXiv:2203.02155.)
    """

    name = "reward"
    row = "pair"


@dataclass(frozen=True)
class PreferenceOptimization(_Traits):
    """Make the chosen answer of a pair likelier than the rejected one: DPO (arXiv:2305.18290).

    The larger ``beta``, the closer the model stays to the reference.
    """

    name = "dpo"
    row = "pair"
    needs_reference = True

    beta: float = 0.1

    def __post_init__(self) -> None:
        check_positive("beta", self.beta)


@dataclass(frozen=True)
class ProximalPolicy(_PolicyTraits):
    """Raise the reward of answers that the model writes: PPO (arXiv:1707.06347, 2203.02155).

    ``reward`` names a rule of REWARD_RULES or the directory of a reward model. Every nat by which
    a token is likelier than under the reference costs ``kl_coef`` of the reward. The answers of
    an iteration are learnt ``epochs`` times, each by one update, with ratios clipped to
    1 - ``clip`` .. 1 + ``clip``. ``gae_lambda`` weighs what a token's value says against the
    reward that follows. An answer without an end pays ``missing_eos_penalty``.
    """

    name = "ppo"

    reward: str
    max_new_tokens: int
    kl_coef: float = 0.05
    epochs: int = 2
    clip: float = 0.2
    gae_lambda: float = 0.95
    missing_eos_penalty: float = MISSING_EOS_PENALTY

    def __post_init__(self) -> None:
        _check_policy(self)
        check_not_negative("gae_lambda", self.gae_lambda)
        if self.gae_lambda > 1:
            raise UsageError(f"--gae-lambda {self.gae_lambda:g} is above 1: try --gae-lambda 0.95")
        check_not_negative("missing_eos_penalty", self.missing_eos_penalty)


@dataclass(frozen=True)
class GroupPolicy(_PolicyTraits):
    """Raise the reward of answers above the mean of their group: GRPO (arXiv:2402.03300).

    ``group_size`` answers are written to every question. Advantages are not divided by their
    standard deviation, nor losses by the length of an answer (Dr. GRPO, arXiv:2503.20783).
    """

    name = "grpo"

    max_new_tokens: int
    reward: str = "exact"
    group_size: int = 8
    kl_coef: float = 0.0
    epochs: int = 4
    clip: float = 0.2

    def __post_init__(self) -> None:
        _check_policy(self)
        check_whole("group_size", self.group_size, 2)


LM = LanguageModeling()
PolicyConfig = ProximalPolicy | GroupPolicy
PairConfig = RewardModeling | PreferenceOptimization
ObjectiveConfig = LanguageModeling | PairConfig | PolicyConfig
ObjectiveKind = type[ObjectiveConfig]
OBJECTIVES: Mapping[str, ObjectiveKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            LanguageModeling,
            RewardModeling,
            PreferenceOptimization,
            ProximalPolicy,
            GroupPolicy,
        )
    }
)


def _check_policy(config: PolicyConfig) -> None:
    check_whole("max_new_tokens", config.max_new_tokens, 1)
    check_not_negative("kl_coef", config.kl_coef)
    check_whole("epochs", config.epochs, 1, 1000)
    check_positive("clip", config.clip)
    if not isinstance(config.reward, str):
        raise UsageError(f"--reward {config.reward!r:.40} is not the name of a rule or a run")


def is_policy(config: ObjectiveConfig) -> TypeGuard[PolicyConfig]:
    """Whether a model learns from answers that it writes itself."""
    return isinstance(config, PolicyConfig)


def learns_from_rewards(kind: ObjectiveKind) -> bool:
    """Whether objectives of this kind are policies."""
    return issubclass(kind, PolicyConfig)


def objective_fields(config: ObjectiveConfig) -> dict[str, Any]:
    """The objective as train.json has it: its name, then its values."""
    return {"name": config.name, **asdict(config)}


def objective_from(values: Mapping[str, Any]) -> ObjectiveConfig:
    """The inverse of ``objective_fields``; UsageError for what is no objective."""
    own = dict(values)
    name = own.pop("name", None)
    check_choice("objective", name, tuple(OBJECTIVES))
    kind = OBJECTIVES[name]
    if unknown := sorted(own.keys() - {field.name for field in fields(kind)}):
        raise UsageError(f"{unknown[0]!r:.40} is not a value of --objective {name}")
    return kind(**own)
