"""What ``eval`` can answer about a subject, each as a text for its output."""

import math
from typing import TYPE_CHECKING

from gptcli.commands.eval.figures import (
    as_json,
    condition_rows,
    conditions,
    figures,
    figures_table,
    rows_text,
)
from gptcli.commands.eval.subject import Subject
from gptcli.errors import CheckpointError

if TYPE_CHECKING:
    from gptcli.commands.tokenize.output import Output
    from gptcli.evaluation.exact_match import ExactMatches
    from gptcli.runtime.world import World


def whole(subject: Subject, world: "World", output: "Output") -> str:
    """The figures of all targets, and exact matches where they are arithmetic."""
    from gptcli.evaluation.loss import evaluate

    with subject.walking(world, subject.reading(), subject.tokens.n_targets) as walk:
        result = evaluate(walk)
    _check_finite(subject, result.loss)
    found = figures(subject, result, _exact(subject, world))
    if output.form == "json":
        return as_json("eval", conditions(subject), found)
    return figures_table(subject, found)


def by_position(subject: Subject, world: "World", output: "Output") -> str:
    """The loss by the number of tokens seen."""
    from gptcli.commands.eval.positions import positions_document, positions_text
    from gptcli.evaluation.loss import position_losses

    with subject.walking(world, subject.reading(), subject.tokens.n_targets) as walk:
        found = position_losses(walk)
    whole = found.between(1, subject.context)
    assert whole is not None, "a subject without targets"
    _check_finite(subject, whole.loss)
    known = figures(subject, whole, None)
    if output.form == "json":
        document = positions_document(found, subject.context)
        return as_json("eval-position", conditions(subject), document)
    table = positions_text(found, subject.context, output.width, output.is_coloured)
    return f"{table}\n{rows_text(condition_rows(subject, known))}"


def comparison(subject: Subject, others: list[Subject], world: "World", output: "Output") -> str:
    """Models on the same tokens, with paired differences to the first."""
    from gptcli.commands.eval.comparison import (
        Compared,
        Comparison,
        comparison_document,
        comparison_text,
    )
    from gptcli.evaluation.paired_difference import paired_difference

    size = subject.text_size()
    subjects = [subject, *others]
    window = max(one.context for one in subjects)
    compared, first = [], None
    for one in subjects:
        with one.walking(world, one.reading(), one.tokens.n_targets) as walk:
            losses, places = walk.losses()
        first = losses if first is None else first
        difference = None
        if one is not subject:
            difference = paired_difference(losses, first, places, window)
        bits = None if size is None else float(losses.sum()) / math.log(2) / size.n_bytes
        loss = float(losses.mean())
        _check_finite(one, loss)
        compared.append(Compared(one.name, one.context, one.stride, loss, bits, difference))
    n_bytes = None if size is None else size.n_bytes
    comparison = Comparison(compared, window, subject.tokens.n_targets, n_bytes)
    if output.form == "json":
        return as_json("eval-compare", comparison_document(comparison))
    return comparison_text(comparison, output.width)


def _exact(subject: Subject, world: "World") -> "dict[str, ExactMatches] | None":
    from gptcli.evaluation.exact_match import arithmetic_problems, exact_match

    problems = arithmetic_problems(subject.tokens, subject.loaded.tokenizer, subject.context)
    if problems is None:
        return None
    n_targets = int((problems.ends - problems.answers).sum())
    with subject.walking(world, problems, n_targets) as walk:
        return exact_match(walk, problems)


def _check_finite(subject: Subject, loss: float) -> None:
    if not math.isfinite(loss):
        raise CheckpointError(
            f"{subject.loaded.directory}: the loss is {loss}: its weights are damaged, "
            "use an earlier checkpoint"
        )
