"""Byte-level BPE vocabularies in two files, as published for GPT-2: entries and merges."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gptcli.errors import CheckpointError
from gptcli.runtime.files import parse_object
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.tokenizer_config import TokenizerConfig

# Entries that no merge makes: <s>, <|endoftext|>, [PAD], and the padding of fairseq.
_SPECIAL = re.compile(r"<.+>|\[.+\]|madeupword\d+", re.DOTALL)


_PLAIN_GPT2 = TokenizerConfig()


def vocabulary_tokenizer(
    vocabulary: bytes,
    merges: bytes,
    names: tuple[str, str] = ("vocab.json", "merges.txt"),
    config: TokenizerConfig = _PLAIN_GPT2,
    pattern: str | None = None,
) -> Tokenizer:
    """A tokenizer of the contents of vocab.json (entries to ids) and merges.txt (``a b`` a line).

    GPT-2's encoder.json and vocab.bpe are the same under other names. Entries that no merge
    makes, which text therefore never becomes, are special tokens. ``config`` is what stands
    beside the files; text is split by ``pattern``, as GPT-2 does if that is None. ``names`` are
    for the messages of CheckpointError.
    """
    entries = _parse_entries(vocabulary, names[0])
    pairs = _parse_merges(merges, entries, names)
    made = {*byte_letters(), *(left + right for left, right in pairs)}
    special = {entry: number for entry, number in entries.items() if entry not in made}
    beside = {token["content"] for token in config.added.values()}
    for entry in special:
        if entry not in beside and not _SPECIAL.fullmatch(entry):
            raise CheckpointError(
                f"{names[1]} makes no {entry!r}, which is in {names[0]}: the files do not belong "
                "together, or one is cut short; download both again"
            )
    made_of = byte_level_tokenizer(entries, pairs, special, names[0], pattern, shaped=config)
    return made_of.completed(config, names[0])


def byte_level_tokenizer(
    entries: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    special: Mapping[str, int],
    name: str,
    pattern: str | None = None,
    ignore_merges: bool = False,
    shaped: TokenizerConfig = _PLAIN_GPT2,
) -> Tokenizer:
    """Build a byte-level BPE; ``pattern`` splits text into words, None is that of GPT-2.

    ``entries`` and ``merges`` are written in byte_letters, the ids of ``special`` may be in
    ``entries`` or follow them. With ``ignore_merges`` a word that is an entry is looked up whole.
    ``shaped`` tells what happens to the text before it is split.
    """
    content = {
        "version": "1.0",
        "added_tokens": added_tokens(special),
        "normalizer": {"type": "NFC"} if shaped.split == "qwen2" else None,
        "pre_tokenizer": _split(pattern, shaped.add_prefix_space),
        "post_processor": None,
        "decoder": _byte_level(add_prefix_space=True, use_regex=True),
        "model": {
            "type": "BPE",
            "vocab": entries,
            "merges": merges,
            "ignore_merges": ignore_merges,
        },
    }
    return Tokenizer.from_json(json.dumps(content), name)


def added_tokens(special: Mapping[str, int]) -> list[dict[str, Any]]:
    """Special tokens as tokenizer.json lists them, by id."""
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    by_id = sorted(special.items(), key=lambda entry: entry[1])
    return [{"id": number, "content": name, **plain, "special": True} for name, number in by_id]


def _byte_level(add_prefix_space: bool, use_regex: bool) -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def _split(pattern: str | None, add_prefix_space: bool) -> dict[str, Any]:
    if pattern is None:
        return _byte_level(add_prefix_space, use_regex=True)
    split = {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    to_letters = _byte_level(add_prefix_space, use_regex=False)
    return {"type": "Sequence", "pretokenizers": [split, to_letters]}


def _parse_entries(content: bytes, name: str) -> dict[str, int]:
    try:
        entries = parse_object(content)
    except ValueError as error:
        raise CheckpointError(f"{name} is not a vocabulary: {error}; download it again") from None
    check_ids(entries.values(), name)
    for value, letter in enumerate(byte_letters()):
        if letter not in entries:
            raise CheckpointError(
                f"{name} has no entry {letter!r} for the byte 0x{value:02x}: only byte-level "
                "vocabularies such as GPT-2's can be read from two files; give a tokenizer.json"
            )
    return entries


def check_ids(numbers: Iterable[Any], name: str) -> None:
    """Raise CheckpointError unless the numbers are 0 to N-1 in some order."""
    listed = list(numbers)
    if any(type(number) is not int for number in listed) or sorted(listed) != [*range(len(listed))]:
        raise CheckpointError(f"{name}: its ids are not 0 to N-1, each once; download it again")


def _parse_merges(
    content: bytes, entries: Mapping[str, int], names: tuple[str, str]
) -> list[tuple[str, str]]:
    try:
        lines = content.decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{names[1]} is not UTF-8 at byte {error.start:,}: it is not a list of merges"
        ) from None
    pairs: dict[tuple[str, str], None] = {}
    for number, line in enumerate(lines, start=1):
        if not line or (number == 1 and line.startswith("#version")):
            continue
        left, _, right = line.partition(" ")
        known = left in entries and right in entries and left + right in entries
        if not known or (left, right) in pairs:
            reason = "is not of entries of " + names[0] if not known else "was there before"
            raise CheckpointError(f"{names[1]}, line {number:,}: the merge {line!r:.80} {reason}")
        pairs[left, right] = None
    return list(pairs)
