"""``gptcli eval``: how well a model predicts a text."""

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gptcli.commands import evaluate_flags as flags
from gptcli.commands.options import Checkpoint, Device, Json, Out, Overwrite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gptcli.commands.evaluate_subject import Subject
    from gptcli.inference.evaluation import Evaluation
    from gptcli.inference.walk import Walk


def evaluate(
    checkpoint: Checkpoint = None,
    data: flags.Data = None,
    split: flags.SplitName = "val",
    text: flags.Text = None,
    stride: flags.Stride = None,
    device: Device = "auto",
    json_output: Json = False,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure how well a model predicts a text: bits per byte, loss, perplexity, accuracy.

    Every token but the first is predicted once, in a fixed order, so the figures are the same
    at every call. In data with masks only what counts as a target is: completions.
    """
    from gptcli.commands.evaluate_subject import Wanted, opened_subject
    from gptcli.commands.evaluate_view import as_json, conditions, figures, figures_table
    from gptcli.commands.terminal import check_out, deliver

    check_out(out, overwrite)
    subject = opened_subject(checkpoint, Wanted(data, split, text, stride), device)
    found = figures(subject, _evaluation(subject))
    answer = (
        as_json("eval", conditions(subject), found)
        if json_output
        else figures_table(subject, found)
    )
    deliver(answer, out, overwrite)


def _evaluation(subject: "Subject") -> "Evaluation":
    from gptcli.errors import CheckpointError
    from gptcli.inference.evaluation import evaluate

    with _walking(subject) as walk:
        result = evaluate(walk)
    if not math.isfinite(result.loss):
        raise CheckpointError(
            f"{subject.loaded.directory}: the loss is {result.loss}: its weights are damaged, "
            "use an earlier checkpoint"
        )
    return result


@contextmanager
def _walking(subject: "Subject") -> "Iterator[Walk]":
    """A walk whose progress is shown."""
    from gptcli.commands.progress import progress
    from gptcli.inference.peers import ALONE
    from gptcli.runtime.device import memory_errors

    with (
        memory_errors("try --device cpu"),
        progress("evaluating", subject.tokens.n_targets, "tokens") as advance,
    ):
        yield subject.walk(ALONE, advance)
