"""The figures of an evaluation, as a document and as a table."""

import json
import math
from typing import TYPE_CHECKING, Any

from gptcli.commands.view.terminal import escape_controls

if TYPE_CHECKING:
    from gptcli.commands.eval.subject import Subject
    from gptcli.evaluation.exact_match import ExactMatches
    from gptcli.evaluation.loss import Evaluation

Row = tuple[str, str]


def conditions(subject: "Subject") -> dict[str, Any]:
    """What must be equal before two figures are compared."""
    return {
        "model": subject.loaded.directory.as_posix(),
        "data": subject.data,
        "split": subject.split,
        "masked": subject.tokens.is_masked,
        "context": subject.context,
        "stride": subject.stride,
    }


def figures(
    subject: "Subject", result: "Evaluation", exact: "dict[str, ExactMatches] | None"
) -> dict[str, Any]:
    """Every figure of an evaluation; None for what cannot be known."""
    size = subject.text_size()
    return {
        "loss": result.loss,
        "perplexity": result.perplexity if math.isfinite(result.perplexity) else None,
        "accuracy": result.accuracy,
        "bits_per_byte": None if size is None else result.bits_per(size.n_bytes),
        "bits_per_character": None if size is None else result.bits_per(size.n_characters),
        "tokens": result.n_targets,
        "bytes": None if size is None else size.n_bytes,
        "characters": None if size is None else size.n_characters,
        "exact_match": None if exact is None else _matches(exact),
    }


def _matches(exact: "dict[str, ExactMatches]") -> dict[str, dict[str, Any]]:
    from gptcli.evaluation.exact_match import ExactMatches

    n_correct = sum(score.n_correct for score in exact.values())
    every = ExactMatches(n_correct, sum(score.n_problems for score in exact.values()))
    return {
        name: {"share": score.share, "correct": score.n_correct, "problems": score.n_problems}
        for name, score in {"all": every, **exact}.items()
    }


def as_json(kind: str, *parts: dict[str, Any]) -> str:
    """One document with the schema ``gptcli.KIND/1``."""
    document = {"schema": f"gptcli.{kind}/1"}
    for part in parts:
        document |= part
    return json.dumps(document, indent=2, allow_nan=False)


def figures_table(subject: "Subject", found: dict[str, Any]) -> str:
    """Name and value on each line, what compares best first."""
    rows: tuple[Row, ...] = (
        *_bits_rows(found),
        ("loss", f"{found['loss']:.4f} nats per token"),
        ("perplexity", _perplexity(found["perplexity"])),
        ("accuracy", f"{found['accuracy']:.2%} of next tokens"),
        *_match_rows(found["exact_match"] or {}),
        *condition_rows(subject, found),
    )
    return rows_text(rows)


def _perplexity(value: float | None) -> str:
    return "beyond the largest number" if value is None else f"{value:.3f}"


def rows_text(rows: tuple[Row, ...]) -> str:
    """Rows under each other."""
    return escape_controls("\n".join(f"{name:<20}{value}" for name, value in rows))


def condition_rows(subject: "Subject", found: dict[str, Any]) -> tuple[Row, ...]:
    """Text, tokens and windows."""
    n_bytes = "unknown" if found["bytes"] is None else f"{found['bytes']:,}"
    only = ": only completions count (the data has masks)" if subject.tokens.is_masked else ""
    return (
        ("tokens", f"{found['tokens']:,} ({n_bytes} bytes){only}"),
        ("context", f"{subject.context:,} tokens{_begin(subject)}"),
        ("stride", _stride(subject)),
        ("data", subject.place),
    )


def _bits_rows(found: dict[str, Any]) -> tuple[Row, ...]:
    if found["bytes"] is None:
        return ()
    return (
        ("bits per byte", f"{found['bits_per_byte']:.4f}"),
        ("bits per character", f"{found['bits_per_character']:.4f}"),
    )


def _match_rows(matches: dict[str, dict[str, Any]]) -> tuple[Row, ...]:
    """Exact matches of all problems, and of each operation where there are several."""
    shown = list(matches) if len(matches) > 2 else list(matches)[:1]
    return tuple(
        (
            "exact match" if name == "all" else f"  of {name}",
            f"{matches[name]['share']:.2%} ({matches[name]['correct']:,} of "
            f"{matches[name]['problems']:,} problems"
            + (", each asked by itself)" if name == "all" else ")"),
        )
        for name in shown
    )


def _begin(subject: "Subject") -> str:
    return ", in windows that start at documents" if subject.tokens.is_masked else ""


def _stride(subject: "Subject") -> str:
    if subject.stride == subject.context:
        return f"{subject.stride:,} tokens: windows do not overlap"
    least = subject.context - subject.stride
    return f"{subject.stride:,} tokens: each is seen with at least {least:,} before it"
