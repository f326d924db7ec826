"""``--embedding`` and ``--direction``: vectors of the vocabulary, and the tokens that lie nearest.

No text is read: these vectors are what a token starts with, before any attention.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gptcli.checkpoint.weights_step import step_document
from gptcli.commands.inspect_attention.command import InspectRequest
from gptcli.commands.inspect_attention.direction import Term, parse_direction
from gptcli.commands.user_text import explaining_unseen
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.drawing import quoted
from gptcli.commands.view.tables import Cell, Figure, Table, facts
from gptcli.commands.view.terminal import note
from gptcli.data.source_text import SourceText
from gptcli.errors import UsageError
from gptcli.families.registry import model_type_of
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.nearest import ScoredToken, TokenVectors, VectorSum

SCHEMA = "gptcli.embedding/1"
NO_WORDS = (
    "This model's tokens are characters: a vector tells how a character is used in writing. It "
    "has no meaning of words, and no arithmetic of meanings can be expected of it."
)
_NEAREST = 10
_LISTED = 50  # nearest tokens in json and csv
_NUMBERS = 6
_COMMON = "Tokens that are used alike lie near each other, so with other spaces and capitals, too."


@dataclass(frozen=True)
class ChosenToken:
    """A token that was asked for by its text; ``sign`` is that in a sum."""

    id: int
    text: str
    sign: int = 1


@dataclass(frozen=True)
class NamedSum:
    """A vector, and the tokens that it is the sum of."""

    tokens: tuple[ChosenToken, ...]
    sum: VectorSum

    @property
    def name(self) -> str:
        """The tokens with their signs."""
        parts = [f"{'-' if one.sign < 0 else '+'} {quoted(one.text)}" for one in self.tokens]
        return " ".join(parts).removeprefix("+ ")

    @property
    def is_sum(self) -> bool:
        """Whether it is more than one token's own vector."""
        return len(self.tokens) > 1 or self.tokens[0].sign < 0


def embedding_answer(request: InspectRequest, loaded: LoadedModel) -> Answer:
    """The vector of a token, or of a sum of tokens, with its nearest tokens."""
    if request.direction is None:
        tokens = _tokens(loaded, (Term(1, request.embedding or ""),), "--embedding")
    else:
        tokens = _tokens(loaded, parse_direction(request.direction), "--direction")
    ids, signs = [one.id for one in tokens], [one.sign for one in tokens]
    found = NamedSum(tokens, TokenVectors(loaded).sum_of(ids, signs, _LISTED))
    return Answer(
        SCHEMA,
        lambda: _document(loaded, found),
        tables=tuple(_tables(loaded, found)),
        csv=_every_token(found.sum.nearest),
    )


def _tokens(loaded: LoadedModel, terms: Sequence[Term], name: str) -> tuple[ChosenToken, ...]:
    """Every word as one token: all as they are typed, or else all with a space before them."""
    words = [term.word for term in terms]
    as_typed = [_ids(loaded, word, name) for word in words]
    ids = as_typed
    if any(len(one) != 1 for one in as_typed) and loaded.tokenizer.kind != "char":
        spaced = [_ids(loaded, f" {word}", name) for word in words]
        if all(len(one) == 1 for one in spaced):
            ids = spaced
    for word, found in zip(words, ids, strict=True):
        if len(found) != 1:
            parts = ", ".join(quoted(loaded.tokenizer.piece(one)) for one in found) or "none"
            raise UsageError(
                f"{name}: {word!r} is not one token of this model but {len(found)}: {parts}; "
                "give one of these, or a text that has the word, with --text and --residual"
            )
    pieces = [loaded.tokenizer.piece(one) for (one,) in ids]
    for word, piece in zip(words, pieces, strict=True):
        if word.strip().casefold() != piece.strip().casefold():
            raise UsageError(
                f"{name}: {word!r} is not a token of this model, which reads {quoted(piece)} in "
                "its place: choose another word"
            )
    if ids is not as_typed:
        note(f"tokens: {', '.join(map(quoted, pieces))}, with the space that words of a text have")
    return tuple(
        ChosenToken(one, piece, term.sign)
        for (one,), piece, term in zip(ids, pieces, terms, strict=True)
    )


def _ids(loaded: LoadedModel, word: str, name: str) -> list[int]:
    if not word:
        raise UsageError(f"{name} is empty: give a token, such as the")
    source = SourceText(name, word)
    with explaining_unseen(
        source, "choose a token that this model has", is_prompt=True, origin=loaded.directory
    ):
        ids: list[int] = loaded.tokenizer.encode(word).tolist()
    return ids


def _tables(loaded: LoadedModel, found: NamedSum) -> Iterator[Table]:
    total, is_sum = found.sum.total.tolist(), found.is_sum
    rows: list[tuple[str, Cell]] = [
        (f"length of {quoted(one.text)}", _length(vector.tolist()))
        for one, vector in zip(found.tokens, found.sum.vectors, strict=True)
    ]
    rows += [("length of the sum", _length(total))] if is_sum else []
    first = ", ".join(f"{number:z.3f}" for number in total[:_NUMBERS])
    rows.append(("its first numbers", f"{first}{', ...' if len(total) > _NUMBERS else ''}"))
    yield facts(f"The vector {found.name}: {len(total):,} numbers", rows)
    if is_sum:
        cosines = tuple(
            (quoted(one.text), Figure.of(alike, "z.3f"))
            for one, alike in zip(found.tokens, found.sum.cosines, strict=True)
        )
        yield Table("Its cosine with its own tokens", ("token", "cosine"), cosines)
        opposite = found.sum.farthest[:_NEAREST]
        yield _nearest_table("Tokens in the opposite direction", opposite)
    how = "The tokens of the sum itself are left out." if is_sum else _COMMON
    notes = (NO_WORDS,) if loaded.tokenizer.kind in ("char", "byte") else (how,)
    nearest = found.sum.nearest[:_NEAREST]
    yield replace(_nearest_table("Nearest tokens, by cosine", nearest), notes=notes)


def _nearest_table(title: str, tokens: Sequence[ScoredToken]) -> Table:
    rows = tuple((quoted(one.text), one.id, Figure.of(one.score, "z.3f")) for one in tokens)
    return Table(title, ("token", "id", "cosine"), rows)


def _every_token(tokens: Sequence[ScoredToken]) -> Table:
    """For csv: the texts as they are."""
    rows = tuple((one.id, one.text, Figure(one.score, "")) for one in tokens)
    return Table("", ("id", "text", "cosine"), rows)


def _length(vector: Sequence[float]) -> Figure:
    return Figure.of(math.hypot(*vector), ".3f")


def _document(loaded: LoadedModel, found: NamedSum) -> Mapping[str, Any]:
    return {
        "model": {
            "directory": loaded.directory.as_posix(),
            **step_document(loaded.step),
            "model_type": model_type_of(loaded.model.config),
            **loaded.model.config.whole(),
        },
        "tokens": [
            {**asdict(one), "norm": math.hypot(*vector.tolist()), "cosine": alike}
            for one, vector, alike in zip(
                found.tokens, found.sum.vectors, found.sum.cosines, strict=True
            )
        ],
        "norm": math.hypot(*found.sum.total.tolist()),
        "vector": found.sum.total.tolist(),
        "nearest": [token_document(one, "cosine") for one in found.sum.nearest],
        "farthest": [token_document(one, "cosine") for one in found.sum.farthest],
    }


def token_document(token: ScoredToken, score: str) -> dict[str, Any]:
    """A token and its score, for JSON."""
    return {"id": token.id, "text": token.text, score: token.score}
