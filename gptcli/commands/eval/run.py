"""Runs ``eval``: one answer for each call, chosen by the flags."""

import os

from gptcli.commands.eval.command import EvalRequest
from gptcli.commands.eval.figures import figures_answer
from gptcli.commands.eval.model_check import verify_answer
from gptcli.commands.eval.model_comparison import comparison_answer
from gptcli.commands.eval.per_token import per_token_answer
from gptcli.commands.eval.position_view import positions_answer
from gptcli.commands.eval.preference_view import scores_answer
from gptcli.commands.eval.reward_view import rewards_answer
from gptcli.commands.eval.subject import (
    Subject,
    opened_subject,
    other_subject,
    quantized_subject,
)
from gptcli.commands.eval.tasks import tasks_answer
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.terminal import Verbosity, set_verbosity
from gptcli.config.checks import flag
from gptcli.errors import UsageError
from gptcli.evaluation.processes import joined
from gptcli.runtime.device import choose_device
from gptcli.runtime.world import World


def run(request: EvalRequest) -> Answer | None:
    """Evaluate as the flags say; None in every process of torchrun but the first."""
    if request.verify:
        return verify_answer(request)
    if request.tasks is not None:
        return tasks_answer(request)
    with joined() as world:
        if world.rank:
            set_verbosity(Verbosity(quiet=True))
        subject = opened_subject(request, _own_device(request.device, world))
        answer = _answer(request, subject, world)
    return None if world.rank else answer


def _answer(request: EvalRequest, subject: Subject, world: World) -> Answer:
    if request.reward is not None:
        others = [other_subject(subject, other, request) for other in request.compare or ()]
        return rewards_answer([subject, *others], request)
    if subject.loaded.model.config.score:
        if other := next(iter(request.given("per_token", "by", "compare", "quantize")), None):
            raise UsageError(
                f"{subject.loaded.directory} is a reward model, which scores pairs of answers: "
                f"leave {flag(other)} out"
            )
        return scores_answer(subject, world)
    if request.per_token:
        return per_token_answer(subject, request.chosen_form)
    if request.by is not None:
        return positions_answer(subject, world)
    if request.compare:
        others = [other_subject(subject, other, request) for other in request.compare]
        return comparison_answer([subject, *others], world)
    if request.quantize is not None:
        return comparison_answer([subject, quantized_subject(subject, request.quantize)], world)
    return figures_answer(subject, world)


def _own_device(device: str, world: World) -> str:
    """The device of this process: each process of a machine gets its own GPU."""
    if world.size > 1 and choose_device(device).value == "cuda":
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    return device
