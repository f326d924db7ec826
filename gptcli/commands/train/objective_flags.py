"""The flags that say what ``train`` learns: the objective, and what is each objective's own."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from gptcli.commands.completion import models_or
from gptcli.commands.options import FormatRequest, any_of, option, own_names
from gptcli.commands.word_meaning import check_reward
from gptcli.config.checks import flag, flag_with
from gptcli.config.objective import (
    OBJECTIVES,
    REWARD_RULES,
    GroupPolicy,
    LanguageModeling,
    ObjectiveKind,
    PreferenceOptimization,
    ProximalPolicy,
    learns_from_rewards,
)
from gptcli.errors import UsageError

PANEL = "Objective"
_NO_USE = {  # beside lm, and why
    "preset": "the model is that of --init-from",
    "order": "pairs and questions come shuffled",
    "ngram_teacher": "n-grams teach the next token only",
    "momentum": "it is Muon's, and AdamW trains",
}
_FIXED: dict[str, tuple[object, str]] = {
    "optimizer": ("adamw", "AdamW trains it"),
    "compile": ("off", "it is not compiled"),
}
_FIXED_OF_POLICY: dict[str, tuple[object, str]] = {
    "precision": ("float32", "the policy that writes must be the policy that is trained"),
    "deterministic": (False, "one process trains it"),
}


def _default(name: str) -> str:
    """The defaults of the objectives that have such a flag."""
    found = {
        kind.name: getattr(kind, name)
        for kind in (PreferenceOptimization, ProximalPolicy, GroupPolicy)
        if hasattr(kind, name)
    }
    if len(set(found.values())) == 1:
        return f" (default: {next(iter(found.values()))})"
    return f" (default: {', '.join(f'{value} with {kind}' for kind, value in found.items())})"


@dataclass(frozen=True)
class ObjectiveFlags(FormatRequest):
    """What is learnt, and how: each flag but the first is for some objectives only."""

    objective: str = option(
        "What to learn: lm the next token, reward and dpo from pairs of answers, ppo and grpo from "
        "rewards of answers that the model writes. All but lm need --init-from.",
        default=LanguageModeling.name,
        panel=PANEL,
        choices=tuple(OBJECTIVES),
    )
    reward: str | None = option(
        f"ppo, grpo: what an answer earns: {any_of(REWARD_RULES)} (1 if it, or its last word, is "
        "the reference answer's), or the run of a reward model. Default with grpo: "
        f"{GroupPolicy.reward}.",
        metavar="RULE|RUN",
        panel=PANEL,
        offer=models_or(REWARD_RULES),
        check=check_reward,
    )
    beta: float | None = option(
        "dpo: how strongly the model is held near the reference, the model of --init-from"
        f"{_default('beta')}.",
        panel=PANEL,
    )
    kl_coef: float | None = option(
        f"ppo, grpo: what a nat away from the reference costs of the reward{_default('kl_coef')}.",
        panel=PANEL,
    )
    group_size: int | None = option(
        f"grpo: answers to each question, which are compared{_default('group_size')}.",
        panel=PANEL,
    )
    max_new_tokens: int | None = option(
        "ppo, grpo: the longest answer. Default: 1.25 times the longest reference answer.",
        panel=PANEL,
    )
    epochs: int | None = option(
        f"ppo, grpo: updates with the answers of an iteration{_default('epochs')}.", panel=PANEL
    )
    clip: float | None = option(
        "ppo, grpo: by what part the probability of a token may change before its gradient is "
        f"cut off{_default('clip')}.",
        panel=PANEL,
    )
    gae_lambda: float | None = option(
        "ppo: how far the reward at the end of an answer reaches back, against the value "
        f"model's estimates{_default('gae_lambda')}.",
        panel=PANEL,
    )
    missing_eos_penalty: float | None = option(
        "ppo: what an answer without its end token pays of a reward model's score"
        f"{_default('missing_eos_penalty')}.",
        panel=PANEL,
    )

    @property
    def kind(self) -> ObjectiveKind:
        """The kind of objective that is asked for."""
        return OBJECTIVES[self.objective]

    @property
    def is_language_modeling(self) -> bool:
        """Whether the run learns as pre-training and fine-tuning do."""
        return self.kind is LanguageModeling

    @property
    def of_objective(self) -> dict[str, Any]:
        """The given values of the objective's own flags."""
        return self.given(*(name for name in own_names(ObjectiveFlags) if name != "objective"))

    def check_objective(self, sizes: list[str]) -> None:
        """Raise UsageError where a flag is not for the objective; ``sizes`` are the model's."""
        known = {one.name for one in fields(self.kind)}
        for name in self.of_objective.keys() - known:
            owners = any_of([f"--objective {owner}" for owner in _owners(name)])
            raise UsageError(
                f"{flag_with(name, getattr(self, name))} is a flag of {owners}, not of "
                f"{self.objective}: leave it out"
            )
        if self.is_language_modeling:
            return
        for name, why in (*((size, _NO_USE["preset"]) for size in sizes), *_NO_USE.items()):
            if self.is_given(name):
                self._refuse(name, why)
        fixed = _FIXED | (_FIXED_OF_POLICY if learns_from_rewards(self.kind) else {})
        for name, (value, why) in fixed.items():
            if self.is_given(name) and getattr(self, name) not in (value, "auto"):
                self._refuse(name, why)
        if self.kind is ProximalPolicy and self.reward is None:
            raise UsageError(
                "--objective ppo needs --reward: give the run of a reward model (gptcli train "
                f"--objective reward makes one), or {any_of(REWARD_RULES)}"
            )

    def _refuse(self, name: str, why: str) -> None:
        value = flag_with(name, getattr(self, name))
        raise UsageError(f"{value} is not for --objective {self.objective} ({why}): leave it out")


def _owners(name: str) -> Iterator[str]:
    """The objectives that have a value of this name."""
    for kind in OBJECTIVES.values():
        if name in {one.name for one in fields(kind)}:
            yield kind.name


def missing_start(objective: str) -> UsageError:
    """Why an objective cannot begin with random weights."""
    return UsageError(
        f"{flag('objective')} {objective} needs --init-from: give the run that answers questions "
        "already, which gptcli train made of such data"
    )
