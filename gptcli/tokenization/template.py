"""The special tokens that a tokenizer's makers put before and after a text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TEXT = {"Sequence": {"id": "A", "type_id": 0}}


@dataclass(frozen=True)
class Template:
    """The ids that stand around every text that a model reads, such as that of ``<s>``."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.before or self.after)

    def around(self, ids: NDArray[Any]) -> NDArray[Any]:
        """The ids of a text with those of the template around them, in the same type."""
        parts = (np.array(self.before, ids.dtype), ids, np.array(self.after, ids.dtype))
        return np.concatenate(parts) if self else ids

    def within(self, vocab_size: int) -> "Template":
        """The same without the ids that a model of ``vocab_size`` lacks."""
        return Template(_below(vocab_size, self.before), _below(vocab_size, self.after))


def template_of(post_processor: Mapping[str, Any] | None) -> Template:
    """The tokens that a ``post_processor`` of tokenizer.json adds to a single text."""
    found = post_processor or {}
    kind = found.get("type")
    if kind == "Sequence":
        return next(filter(None, map(template_of, found["processors"])), Template())
    if kind in ("BertProcessing", "RobertaProcessing"):
        return Template((found["cls"][1],), (found["sep"][1],))
    if kind == "TemplateProcessing":
        return _parsed(found["single"], found["special_tokens"])
    return Template()  # ByteLevel, which concerns offsets alone


def post_processor_of(template: Template, names: Mapping[int, str]) -> dict[str, Any] | None:
    """The ``post_processor`` that adds the tokens of a template; ``names`` are by id."""
    if not template:
        return None
    before, after = ([_special(names[n]) for n in ids] for ids in (template.before, template.after))
    second = {"Sequence": {"id": "B", "type_id": 1}}
    return {
        "type": "TemplateProcessing",
        "single": [*before, _TEXT, *after],
        "pair": [*before, _TEXT, *after, *before, second, *after],
        "special_tokens": {
            names[n]: {"id": names[n], "ids": [n], "tokens": [names[n]]}
            for n in (*template.before, *template.after)
        },
    }


def _special(name: str) -> dict[str, Any]:
    return {"SpecialToken": {"id": name, "type_id": 0}}


def _parsed(pieces: Iterable[Mapping[str, Any]], ids: Mapping[str, Any]) -> Template:
    listed = list(pieces)
    before = list(takewhile(lambda piece: "Sequence" not in piece, listed))
    after = list(dropwhile(lambda piece: "Sequence" in piece, listed[len(before) :]))
    if any("Sequence" in piece for piece in after):
        raise ValueError("its post_processor puts special tokens within a text")
    return Template(_ids_of(before, ids), _ids_of(after, ids))


def _ids_of(pieces: Iterable[Mapping[str, Any]], ids: Mapping[str, Any]) -> tuple[int, ...]:
    names = [piece["SpecialToken"]["id"] for piece in pieces]
    return tuple(number for name in names for number in ids[name]["ids"])


def _below(vocab_size: int, ids: Iterable[int]) -> tuple[int, ...]:
    return tuple(number for number in ids if number < vocab_size)
