"""Which class trains which objective."""

from gptcli.config.objective import (
    GroupPolicy,
    LanguageModeling,
    PreferenceOptimization,
    ProximalPolicy,
    RewardModeling,
)
from gptcli.training.group_policy import GroupPolicyTraining
from gptcli.training.language_modeling import LanguageModelTraining
from gptcli.training.preferences import PreferenceTraining, RewardTraining
from gptcli.training.protocol import CheckStop, Objective
from gptcli.training.proximal_policy import ProximalPolicyTraining
from gptcli.training.training_run import TrainingRun


def _never() -> None:
    """Go on."""


def objective_of(training: TrainingRun, check_stop: CheckStop = _never) -> Objective:
    """Make what trains a run, with nothing restored yet.

    A new objective is a class with the methods of ``Objective``, made from the TrainingRun, and
    one case here. It finds in ``training``:

    - ``objective``, its own configuration of config/objective.py, and ``config``, that of training
    - ``model``, whose weights it trains with ``optimizers``; both are saved and restored for it,
      and its ``state`` is what else it trains, with names that begin with ``value.``
    - ``reference``, the frozen model of --init-from where its configuration ``needs_reference``
    - ``reward``, by which a policy's answers are judged, and ``reward_model`` where it is one
    - ``dataset``, and the ``world`` of processes of which each does its share

    Where a step takes long, ``check_stop`` is called within it, but not once its update begins.
    """
    match training.objective:
        case LanguageModeling():
            return LanguageModelTraining(training)
        case RewardModeling():
            return RewardTraining(training)
        case PreferenceOptimization() as objective:
            return PreferenceTraining(training, objective)
        case GroupPolicy() as objective:
            return GroupPolicyTraining(training, objective, check_stop)
        case ProximalPolicy() as objective:
            return ProximalPolicyTraining(training, objective, check_stop)
