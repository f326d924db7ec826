"""The identity of a tokenizer: a sha256 of everything that decides its ids, and of nothing else."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_PARTS = ("model", "normalizer", "pre_tokenizer", "decoder", "added_tokens")
_TABLES = frozenset({"vocab", "merges"})  # long, and without options
# What is set to one value where it changes nothing: the usual one, so that most identities are
# those that earlier versions gave.
_OFFSETS = {"trim_offsets": True}  # of ByteLevel, which concerns the places of tokens alone
_DECODER = {**_OFFSETS, "add_prefix_space": True, "use_regex": True}
_AFFIXES = frozenset({"continuing_subword_prefix", "end_of_word_suffix"})  # empty is none
_OF_SPECIAL = ("id", "content", "special")  # text never becomes one, however it is looked for


def tokenizer_identity(content: Mapping[str, Any]) -> str:
    """The identity of the tokenizer that the parsed tokenizer.json ``content`` describes."""
    return _hash(essential_parts(content))


def essential_parts(content: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a tokenizer.json that decide its ids, each written in one way."""
    essential = {part: _usual(content[part], _OFFSETS) for part in _PARTS}
    essential["decoder"] = _usual(content["decoder"], _DECODER)
    essential["added_tokens"] = [
        {key: token[key] for key in _OF_SPECIAL} if token["special"] else token
        for token in content["added_tokens"]
    ]
    essential["model"] = {
        key: value
        for key, value in content["model"].items()
        if key != "dropout" and (value or key not in _AFFIXES)
    }
    return _compact(essential)


def former_identity(content: Mapping[str, Any]) -> str:
    """The identity that earlier versions gave the same tokenizer and wrote into their files."""
    return _hash(_compact(content))


def _compact(content: Mapping[str, Any]) -> dict[str, Any]:
    return {part: _without_defaults(content[part]) for part in _PARTS}


def _hash(parts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _usual(part: Any, options: Mapping[str, bool]) -> Any:
    """A part of the content with ``options`` in each ByteLevel."""
    if isinstance(part, list):
        return [_usual(inner, options) for inner in part]
    if not isinstance(part, dict):
        return part
    found = {key: _usual(inner, options) for key, inner in part.items()}
    return {**found, **options} if part.get("type") == "ByteLevel" else found


def _without_defaults(value: Any) -> Any:
    """A part of the content without null and false.

    So an option that the library adds later, off by default, changes nothing.
    """
    if isinstance(value, dict):
        return {
            key: inner if key in _TABLES else _without_defaults(inner)
            for key, inner in value.items()
            if inner is not None and inner is not False
        }
    return [_without_defaults(inner) for inner in value] if isinstance(value, list) else value
