"""``--residual``: how the vector of one token is refined, layer by layer, in one text or several.

Readings are told apart by letters: A is the first text, B the first of --compare.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from string import ascii_uppercase
from typing import Any

from gptcli.commands.inspect_attention.views.embedding_view import NO_WORDS, token_document
from gptcli.commands.inspect_attention.views.focus import Focus, percent, token_name
from gptcli.commands.view.drawing import quoted
from gptcli.commands.view.tables import Cell, Figure, Table
from gptcli.errors import UsageError
from gptcli.inspection.heads import Head
from gptcli.inspection.nearest import ScoredToken, TokenVectors, cosine
from gptcli.inspection.readings import Reading
from gptcli.inspection.refinement import (
    HeadUpdate,
    Refinement,
    read_updates,
    refine,
)
from gptcli.inspection.report import Token

_NEAREST = 3
_ENTRIES = 4  # that a head raises, and that it lowers
_HEADS = 8  # of each text, if none are chosen
_LISTED = 10  # tokens for each vector in json
_SAME_NOTE = (
    "A token's row of the table is the same in every text; until the first attention nothing but "
    "its position can tell two of them apart."
)
_OTHER_NOTE = "These are different tokens, so their vectors are apart from the start."
_NEAREST_NOTE = (
    "Would predict: the likeliest next token, if the final norm and the head read the vector as it "
    "is after this step. Nearest: the tokens whose embeddings have the largest cosine with it."
)
_HEADS_NOTE = (
    "Read through the final norm, divided by what it divides this token's last vector by, and the "
    "head, before its bias and cap: how much the update by itself adds to the logit of a next "
    "token. What later layers make of it is not in it."
)


@dataclass(frozen=True)
class RefinedReading:
    """A text, its letter, and the way of the token that is looked at."""

    letter: str
    reading: Reading
    refinement: Refinement

    @property
    def token(self) -> Token:
        """The token that is looked at."""
        return self.reading.report.tokens[self.refinement.place]

    @property
    def place(self) -> str:
        """The token by its number in the whole text, and its text."""
        return token_name(self.reading.report.tokens, self.refinement.place)


def residual_focus(readings: Sequence[Reading], word: str, chosen: Sequence[Head]) -> Focus:
    """The vector of ``word`` in every reading: apart by which layer, and what the heads add."""
    found = [
        RefinedReading(
            letter,
            reading,
            refine(reading.loaded.model, reading.recording, _place(reading, word)),
        )
        for letter, reading in zip(ascii_uppercase, readings, strict=False)
    ]
    tables = [*_cosines(found), *(table for one in found for table in _tables(one, chosen))]
    return Focus(
        "residual", lambda: [_document(one, found[0], chosen) for one in found], tables, _csv(found)
    )


def _place(reading: Reading, word: str) -> int:
    try:
        return reading.find(word, "--residual")
    except UsageError as error:
        raise UsageError(f"{error}; the text is {quoted(reading.name)}") from error


def _cosines(found: Sequence[RefinedReading]) -> Iterator[Table]:
    """How alike the vectors of two readings are after each step; none for a single reading."""
    if len(found) < 2:
        return
    pairs = list(combinations(found, 2))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (one.step, *(Figure.of(_cosine_at(number, *pair), "z.3f") for pair in pairs))
        for number, one in enumerate(found[0].refinement.steps)
    )
    names = tuple(f"{one.letter}, {other.letter}" for one, other in pairs)
    texts = tuple(f"{one.letter}: {quoted(one.reading.name)}, {one.place}." for one in found)
    yield Table(
        "The cosine between the vectors of two texts, after each step",
        ("after", *names),
        rows,
        folds=True,
        notes=(*texts, _SAME_NOTE if _have_one_token(found) else _OTHER_NOTE),
    )


def _have_one_token(found: Sequence[RefinedReading]) -> bool:
    """Whether the token that is looked at is the same in all texts."""
    return len({one.token.id for one in found}) == 1


def _cosine_at(number: int, one: RefinedReading, other: RefinedReading) -> float:
    first, second = (each.refinement.steps[number].vector for each in (one, other))
    return cosine(first, second)


def _tables(found: RefinedReading, chosen: Sequence[Head]) -> Iterator[Table]:
    vectors_of = TokenVectors(found.reading.loaded)
    is_first, kind = found.letter == "A", found.reading.loaded.tokenizer.kind
    caveat = (NO_WORDS,) if kind in ("char", "byte") else ()
    steps = found.refinement.steps
    vectors = found.refinement.vectors
    nearest, expected = vectors_of.nearest(vectors, _NEAREST), vectors_of.expected(vectors, 1)
    rows = tuple(
        (
            one.step,
            Figure.of(float(one.vector.norm()), ".2f"),
            f"{quoted(best.text)} {percent(best.score)}",
            ", ".join(f"{quoted(token.text)} {token.score:z.2f}" for token in near),
        )
        for one, near, (best,) in zip(steps, nearest, expected, strict=True)
    )
    yield Table(
        f"{found.letter}: the vector of {found.place} in {quoted(found.reading.name)}",
        ("after", "length", "would predict", "nearest"),
        rows,
        notes=(_NEAREST_NOTE, *caveat) if is_first else (),
    )
    updates = _shown(found.refinement, chosen)
    read = read_updates(found.reading.loaded.model, found.refinement, updates)
    entries = vectors_of.raised_and_lowered(read, _ENTRIES)
    yield Table(
        f"{found.letter}: what {'these' if chosen else 'the'} heads add to it, largest first",
        ("head", "length", "raises (+) and lowers (-)"),
        tuple(
            (
                str(update.head),
                Figure.of(float(update.vector.norm()), ".2f"),
                f"{_entries(raised)}; {_entries(lowered)}",
            )
            for update, (raised, lowered) in zip(updates, entries, strict=True)
        ),
        notes=(_HEADS_NOTE,) if is_first else (),
    )


def _entries(tokens: Sequence[ScoredToken]) -> str:
    return ", ".join(f"{quoted(token.text)} {token.score:+z.2f}" for token in tokens)


def _shown(refinement: Refinement, chosen: Sequence[Head]) -> list[HeadUpdate]:
    """The chosen heads, else those that add most, the largest update first."""
    updates = [one for one in refinement.updates if not chosen or one.head in chosen]
    ordered = sorted(updates, key=lambda one: -float(one.vector.norm()))
    return ordered if chosen else ordered[:_HEADS]


def _document(
    found: RefinedReading, first: RefinedReading, chosen: Sequence[Head]
) -> dict[str, Any]:
    vectors_of = TokenVectors(found.reading.loaded)
    steps = found.refinement.steps
    vectors = found.refinement.vectors
    tokens = zip(
        vectors_of.nearest(vectors, _LISTED), vectors_of.expected(vectors, _LISTED), strict=True
    )
    updates = [one for one in found.refinement.updates if not chosen or one.head in chosen]
    read = read_updates(found.reading.loaded.model, found.refinement, updates)
    entries = vectors_of.raised_and_lowered(read, _LISTED)
    return {
        "name": found.reading.name,
        "tokens": found.reading.texts,
        "i": found.token.i,
        "steps": [
            {
                "after": one.step,
                "norm": float(one.vector.norm()),
                "cosine_to_first": _cosine_at(number, first, found),
                "nearest": _listed(near, "cosine"),
                "would_predict": _listed(expected, "p"),
                "vector": one.vector.tolist(),
            }
            for number, (one, (near, expected)) in enumerate(zip(steps, tokens, strict=True))
        ],
        "heads": [
            {
                "layer": update.head.layer,
                "head": update.head.index,
                "norm": float(update.vector.norm()),
                "raises": _listed(raised, "logit"),
                "lowers": _listed(lowered, "logit"),
            }
            for update, (raised, lowered) in zip(updates, entries, strict=True)
        ],
    }


def _listed(tokens: Sequence[ScoredToken], score: str) -> list[dict[str, Any]]:
    return [token_document(one, score) for one in tokens]


def _csv(found: Sequence[RefinedReading]) -> Table:
    """A row for every text and step."""
    rows = list[tuple[Cell, ...]]()
    for one in found:
        nearest = TokenVectors(one.reading.loaded).nearest(one.refinement.vectors, 1)
        for number, (step, (near,)) in enumerate(zip(one.refinement.steps, nearest, strict=True)):
            alike = _cosine_at(number, found[0], one)
            rows.append(
                (
                    one.reading.name, one.token.i, step.step,
                    Figure(float(step.vector.norm()), ""), Figure(alike, ""), near.text,
                    Figure(near.score, ""),
                )
            )  # fmt: skip
    columns = ("text", "i", "after", "norm", "cosine_to_first", "nearest", "nearest_cosine")
    return Table("", columns, tuple(rows))
