"""tiktoken's files: a line ``BASE64 RANK`` per token, without merges and split pattern."""

import base64
import difflib
import re
from collections.abc import Collection, Mapping

import tokenizers

from gptcli.errors import CheckpointError, UsageError
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.kinds import END_OF_TEXT
from gptcli.tokenization.merges import last_merge
from gptcli.tokenization.splits import SPLIT_PATTERNS
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.vocabulary_files import byte_level_tokenizer

LONGEST_TOKEN = 1024  # bytes; published vocabularies have up to 128
_ENCODINGS = {
    "r50k_base": "gpt2",
    "p50k_base": "gpt2",
    "cl100k_base": "cl100k",
    "o200k_base": "o200k",
}
_FIRST_LINE = re.compile(rb"[A-Za-z0-9+/]+={0,2} [0-9]+\r?\n")


def is_tiktoken(content: bytes) -> bool:
    """Whether the first line is tiktoken's; Llama 3 has such a file named tokenizer.model."""
    return _FIRST_LINE.match(content) is not None


def tiktoken_tokenizer(content: bytes, pattern: str | None, name: str) -> Tokenizer:
    """The byte-level BPE with tiktoken's ids for that file and that ``pattern``.

    ``pattern`` is a name in SPLIT_PATTERNS, one of tiktoken's encodings, or a regular
    expression; text between its matches is kept, which tiktoken would drop. The file lists no
    special tokens: <|endoftext|> gets the lowest free id (for GPT-2 50256, as published).
    Raises UsageError for a wrong pattern, CheckpointError for a damaged file.
    """
    regex = split_regex(pattern, name)
    ranks = _parse(content, name)
    end = ranks.pop(END_OF_TEXT.encode(), None)
    end = _free_id(ranks.values(), name) if end is None else end
    by_rank = sorted(ranks, key=ranks.__getitem__)
    pairs = [last_merge(token, ranks) for token in by_rank if len(token) > 1]
    letters = byte_letters()
    entries = {_spelt(token, letters): ranks[token] for token in by_rank}
    merges = [(_spelt(pair[0], letters), _spelt(pair[1], letters)) for pair in pairs if pair]
    special = {END_OF_TEXT: end}
    # tiktoken finds a token that no merges make where it is a whole word.
    return byte_level_tokenizer(
        entries | special, merges, special, name, regex, ignore_merges=None in pairs
    )


def split_regex(pattern: str | None, name: str) -> str | None:
    """The regular expression; None for GPT-2's, which is built into the library.

    Raises UsageError, with ``name``, where no pattern is given, or one that is unknown.
    """
    known = ", ".join(SPLIT_PATTERNS)
    if pattern is None:
        raise UsageError(
            f"{name} does not say how text is split into words, on which its ids depend: "
            f"add --pattern with one of {known}, or the regular expression itself"
        )
    named = _ENCODINGS.get(pattern, pattern)
    if named in SPLIT_PATTERNS:
        return None if named == "gpt2" else SPLIT_PATTERNS[named]
    if re.fullmatch(r"[\w-]*", pattern):  # as a regular expression it would match only itself
        near = difflib.get_close_matches(pattern, [*SPLIT_PATTERNS, *_ENCODINGS], n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {known}, or an expression"
        raise UsageError(f"--pattern {pattern!r} is not known: {hint}")
    try:
        tokenizers.Regex(pattern)
    except Exception as error:  # the library raises no narrower class
        reason = " ".join(str(error).split())[:120]
        raise UsageError(
            f"--pattern is not a regular expression ({reason}): {pattern!r:.200}"
        ) from None
    return pattern


def _parse(content: bytes, name: str) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    taken: set[int] = set()
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            encoded, digits = line.split()
            token, rank = base64.b64decode(encoded, validate=True), int(digits)
        except ValueError:
            raise CheckpointError(
                f"{name}, line {number:,} is not a token in base64 and its rank: download it again"
            ) from None
        reason = _fault(token, rank, ranks, taken)
        if reason:
            raise CheckpointError(f"{name}, line {number:,}: {reason}; download it again")
        ranks[token] = rank
        taken.add(rank)
    _check_bytes(ranks, name)
    return ranks


def _fault(token: bytes, rank: int, ranks: Collection[bytes], taken: Collection[int]) -> str | None:
    if not 0 < len(token) <= LONGEST_TOKEN:
        return f"a token has {len(token):,} bytes, and 1 to {LONGEST_TOKEN:,} are possible"
    if token in ranks:
        return "its token was there before"
    return "its rank is negative or was there before" if rank < 0 or rank in taken else None


def _check_bytes(ranks: Mapping[bytes, int], name: str) -> None:
    for value in range(256):
        if bytes([value]) not in ranks:
            raise CheckpointError(
                f"{name} has no token for the byte 0x{value:02x}: it is cut short, download it "
                "again"
            )


def _free_id(ranks: Collection[int], name: str) -> int:
    size = len(ranks)
    if max(ranks) > size:
        raise CheckpointError(f"{name}: more than one rank below {max(ranks):,} is missing")
    return size * (size + 1) // 2 - sum(ranks)


def _spelt(token: bytes, letters: tuple[str, ...]) -> str:
    return "".join([letters[value] for value in token])
