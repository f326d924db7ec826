"""Special tokens appended to a vocabulary, as a chat template needs them."""

from collections.abc import Mapping
from typing import Any

from gptcli.tokenization.identity import essential_parts


def special_token(name: str, number: int) -> dict[str, Any]:
    """The entry of a tokenizer.json for a token that text never becomes."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": name, **flags, "special": True}


def is_extension(content: Mapping[str, Any], of: Mapping[str, Any], first: int) -> bool:
    """Whether a tokenizer.json is that of ``of`` with special tokens from the id ``first`` on.

    The tokenizer.json of ``of`` itself is such an extension, one by nothing.
    """
    ours, theirs = essential_parts(content), essential_parts(of)
    known = [token for token in ours["added_tokens"] if token["id"] < first]
    new = [token for token in ours["added_tokens"] if token["id"] >= first]
    names = {token["content"] for token in new}
    if not all(token.get("special") for token in new):
        return False
    model = {**ours["model"], "vocab": _without(ours["model"]["vocab"], names)}
    return {**ours, "added_tokens": known, "model": model} == theirs


def _without(vocabulary: Any, names: set[str]) -> Any:
    """The vocabulary without tokens that a file lists in both places, where ids are missing."""
    if not isinstance(vocabulary, dict):
        return vocabulary
    return {piece: number for piece, number in vocabulary.items() if piece not in names}
