"""``gptcli eval``: how well a model predicts a text."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gptcli.commands.eval import flags as flags
from gptcli.commands.legacy_options import Checkpoint, Device, Json, Out, Overwrite
from gptcli.commands.view.legacy import check_out
from gptcli.commands.view.terminal import Verbosity, set_verbosity
from gptcli.config.checks import check_choice, check_whole, flag
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from gptcli.commands.eval.subject import Subject
    from gptcli.commands.tokenize.output import Output
    from gptcli.runtime.world import World


def evaluate(
    checkpoint: Checkpoint = None,
    data: flags.Data = None,
    split: flags.SplitName = "val",
    text: flags.Text = None,
    stride: flags.Stride = None,
    per_token: flags.PerToken = False,
    by: flags.By = None,
    compare: flags.Compare = None,
    quantize: flags.Quantize = None,
    tasks: flags.Tasks = None,
    limit: flags.Limit = None,
    verify: flags.Verify = False,
    device: Device = "auto",
    form: flags.Format = None,
    json_output: Json = False,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure how well a model predicts a text: bits per byte, loss, perplexity, accuracy.

    Every token but the first is predicted once, in a fixed order, so the figures are the same
    at every call. In data with masks only what counts as a target is: completions. Under
    torchrun the work is shared, and the result the same.
    """
    from gptcli.commands.eval.subject import (
        Wanted,
        opened_subject,
        other_subject,
        quantized_subject,
    )
    from gptcli.commands.eval.tasks import tasks_answer
    from gptcli.commands.eval.token_scores_output import give_token_scores
    from gptcli.commands.eval.verify import give_verification

    questions = {"per_token": per_token, "by": by, "compare": compare, "quantize": quantize}
    _check_one({**questions, "tasks": tasks, "verify": verify})
    if by is not None:
        check_choice("by", by, ("position",))
    output = _output(form, json_output, per_token, out, overwrite)
    if limit is not None:
        _check_limit(limit, tasks)
    for name, asked in (("verify", verify), ("tasks", tasks), ("per_token", per_token)):
        if asked:
            _check_alone(flag(name))
    if verify:
        _check_without("verify", {"data": data, "text": text, "stride": stride})
        give_verification(checkpoint, device, output)
        return
    if tasks is not None:
        _check_without("tasks", {"data": data, "text": text, "stride": stride})
        output.deliver(tasks_answer(checkpoint, tasks, limit, device, output))
        return
    with _company() as world:
        wanted = Wanted(data, split, text, stride)
        subject = opened_subject(checkpoint, wanted, _own_device(device, world))
        if per_token:
            give_token_scores(subject, world, output)
            return
        others = [other_subject(subject, other, stride) for other in compare or []]
        if quantize is not None:
            others = [quantized_subject(subject, quantize)]
        answer = _answer(subject, bool(by), others, world, output)
        if world.rank == 0:
            output.deliver(answer)


def _check_one(questions: dict[str, object]) -> None:
    asked = [flag(name) for name, value in questions.items() if value]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} are two questions: ask one at a time")


def _check_limit(limit: int, tasks: str | None) -> None:
    check_whole("limit", limit, 1)
    if tasks is None:
        raise UsageError("--limit is of --tasks: leave it out")


def _check_alone(question: str) -> None:
    from gptcli.runtime.world import launched

    if launched().size > 1:
        raise UsageError(f"{question} is the work of one process: leave torchrun out")


def _check_without(question: str, others: dict[str, object]) -> None:
    if given := [flag(name) for name, value in others.items() if value is not None]:
        raise UsageError(f"--{question} needs no text of yours: leave {' and '.join(given)} out")


def _output(
    form: str | None, json_output: bool, per_token: bool, out: Path | None, overwrite: bool
) -> "Output":
    """Where the answer goes; UsageError for a format that it does not come in."""
    from gptcli.commands.eval.token_scores_output import FORMATS
    from gptcli.commands.tokenize.output import Output

    if json_output and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} exclude each other: leave one of them out")
    formats = FORMATS if per_token else ("table", "json")
    form = "json" if json_output else form or formats[0]
    if form in FORMATS and not per_token:
        raise UsageError(f"--format {form} is of single tokens: add --per-token")
    check_choice("format", form, formats)
    if form == "npz" and out is None:
        raise UsageError("--format npz needs a file: add --out tokens.npz")
    check_out(out, overwrite)
    return Output(form, out, overwrite)


@contextmanager
def _company() -> "Iterator[World]":
    """The processes that torchrun started, of which the first one speaks."""
    from gptcli.evaluation.processes import joined
    from gptcli.runtime.world import launched

    if launched().rank:
        set_verbosity(Verbosity(quiet=True))
    with joined() as world:
        yield world


def _own_device(device: str, world: "World") -> str:
    """Each process has a GPU of its own."""
    import os

    from gptcli.runtime.device import choose_device

    if world.size > 1 and choose_device(device).value == "cuda":
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    return device


def _answer(
    subject: "Subject",
    by_position: bool,
    others: "list[Subject]",
    world: "World",
    output: "Output",
) -> str:
    from gptcli.commands.eval import modes as modes

    if others:
        return modes.comparison(subject, others, world, output)
    mode = modes.by_position if by_position else modes.whole
    return mode(subject, world, output)
