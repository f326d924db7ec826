"""How byte-pair encoding builds a word: the merges, in the order in which they happen."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, AnyStr

import tokenizers

from gptcli.errors import UsageError
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.vocabulary import Vocabulary

LONGEST_WORD = 1000  # characters; more is not a word, and would give too many steps to read
_NEVER = 2**62  # the rank of a pair that is not merged


@dataclass(frozen=True)
class MergeStep:
    """A word after one merge, or before the first.

    Attributes:
        part: the number, from 0, of the pre-token, one of those into which the word is divided.
        pieces: the tokens after this step, to show (invisible characters made visible).
        ids: their ids.
        pair: the two pieces just merged, None at the start of a part and for a part that is
            looked up as a whole.
        rank: the place of the merge in the list of merges, from 0; the lowest is done first.

    """

    part: int
    pieces: tuple[str, ...]
    ids: tuple[int, ...]
    pair: tuple[str, str] | None = None
    rank: int | None = None


def merge_steps(tokenizer: Tokenizer, word: str) -> list[MergeStep]:
    """The merges that build ``word``, part after part; the last steps have the ids of encode.

    Raises UsageError for a tokenizer that does not merge, and for a text that is not a word.
    """
    content = tokenizer.content
    model = content["model"]
    _check(tokenizer, model, word)
    ranks = {(left, right): rank for rank, (left, right) in enumerate(model["merges"])}
    vocabulary = Vocabulary(tokenizer)
    steps: list[MergeStep] = []
    ids: list[int] = []
    for part, chunk in enumerate(_pre_tokens(content, word)):
        for step in _steps_of(chunk, model, ranks):
            steps.append(_shown(part, step, model["vocab"], vocabulary, ranks))
        ids += steps[-1].ids
    if ids != tokenizer.encode(word).tolist():
        raise UsageError(f"{word!r} contains an added token, which no merge makes: leave it out")
    return steps


def merged(
    pieces: Sequence[str], ranks: Mapping[tuple[str, str], int]
) -> Iterator[tuple[list[str], tuple[str, str]]]:
    """The pieces after each merge, and its pair: lowest rank first, leftmost among equals."""
    current = list(pieces)
    while True:
        pairs = list(pairwise(current))
        possible = [ranks.get(pair, _NEVER) for pair in pairs]
        rank = min(possible, default=_NEVER)
        if rank == _NEVER:
            return
        at = possible.index(rank)
        current = [*current[:at], "".join(pairs[at]), *current[at + 2 :]]
        yield current, pairs[at]


def last_merge(token: AnyStr, ranks: Mapping[AnyStr, int]) -> tuple[AnyStr, AnyStr] | None:
    """The two pieces that are merged to ``token``, from the ranks of products alone.

    Vocabularies without a list of merges (tiktoken's, SentencePiece's) join the neighbours
    whose product has the lowest rank, until no product is known. In any text with this token,
    the merges within it are those of the token alone, so its last merge is the only one that
    makes it. None for a token that no merges make.
    """
    pieces = [token[index : index + 1] for index in range(len(token))]
    possible = [_rank(ranks, pieces, index) for index in range(len(pieces) - 1)]
    while len(pieces) > 2:
        lowest = min(possible)
        if lowest == _NEVER:
            return None
        at = possible.index(lowest)
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        del possible[at]
        for index in range(max(at - 1, 0), min(at + 1, len(possible))):
            possible[index] = _rank(ranks, pieces, index)
    return (pieces[0], pieces[1]) if len(pieces) == 2 else None


def _rank(ranks: Mapping[AnyStr, int], pieces: Sequence[AnyStr], index: int) -> int:
    return ranks.get(pieces[index] + pieces[index + 1], _NEVER)


def _check(tokenizer: Tokenizer, model: Mapping[str, Any], word: str) -> None:
    if tokenizer.kind != "bpe":
        raise UsageError(
            f"a {tokenizer.kind} tokenizer has no merges: --merges works with bpe, such as gpt2"
        )
    if model["continuing_subword_prefix"] or model["end_of_word_suffix"]:
        raise UsageError(
            "--merges works with byte-level and SentencePiece BPE, not with marked subwords"
        )
    if len(word) > LONGEST_WORD:
        raise UsageError(f"--merges takes one word: {len(word):,} characters are too many")
    try:
        word.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(f"--merges WORD is not valid UTF-8 at character {error.start}") from None


def _pre_tokens(content: Mapping[str, Any], word: str) -> list[str]:
    """The pre-tokens of a word: normalized, divided, and written as in the vocabulary."""
    model = {**content["model"], "vocab": {}, "merges": []}  # not needed, and slow to build
    bare = {**content, "model": {**model, "unk_token": None}, "added_tokens": []}
    inner = tokenizers.Tokenizer.from_str(json.dumps(bare))
    text = inner.normalizer.normalize_str(word) if inner.normalizer else word
    if not inner.pre_tokenizer:
        return [text] if text else []
    return [chunk for chunk, _ in inner.pre_tokenizer.pre_tokenize_str(text)]


def _steps_of(
    chunk: str, model: Mapping[str, Any], ranks: Mapping[tuple[str, str], int]
) -> Iterator[tuple[list[str], tuple[str, str] | None]]:
    pieces = _first_pieces(chunk, model)
    yield pieces, None
    for after, pair in merged(pieces, ranks):
        pieces = after
        yield pieces, pair
    if model["ignore_merges"] and chunk in model["vocab"] and len(pieces) > 1:
        yield [chunk], None


def _first_pieces(chunk: str, model: Mapping[str, Any]) -> list[str]:
    """A piece per character; for unknown characters their bytes, or the unknown token."""
    pieces: list[str] = []
    unk = model["unk_token"]
    for character in chunk:
        as_bytes = [f"<0x{value:02X}>" for value in character.encode()]
        if character in model["vocab"]:
            pieces.append(character)
        elif model["byte_fallback"] and all(piece in model["vocab"] for piece in as_bytes):
            pieces += as_bytes
        elif unk is not None and not (model["fuse_unk"] and pieces[-1:] == [unk]):
            pieces.append(unk)
    return pieces


def _shown(
    part: int,
    step: tuple[list[str], tuple[str, str] | None],
    ids_of: Mapping[str, int],
    vocabulary: Vocabulary,
    ranks: Mapping[tuple[str, str], int],
) -> MergeStep:
    pieces, pair = step
    ids = tuple(ids_of[piece] for piece in pieces)
    labels = tuple(vocabulary.entry(number).label for number in ids)
    if pair is None:
        return MergeStep(part, labels, ids)
    left, right = (vocabulary.entry(ids_of[piece]).label for piece in pair)
    return MergeStep(part, labels, ids, (left, right), ranks[pair])
