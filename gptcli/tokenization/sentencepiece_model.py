"""SentencePiece's .model files, unigram and BPE, as tokenizers of the ``tokenizers`` library.

The ids are SentencePiece's, with two exceptions, both rare. Where its normalized text is not
in Unicode's form C (combining marks stacked in an unusual order), ours is. And where several
divisions of a text by a unigram model are equally good, either may choose another one.
"""

import json
import math
import re
import struct
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from tokenizers import normalizers

from gptcli.errors import CheckpointError, UsageError
from gptcli.tokenization.merges import last_merge
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.vocabulary_files import added_tokens

SPACE = "\u2581"  # how SentencePiece writes a space
_UNIGRAM, _BPE = 1, 2  # model types and kinds of pieces, by their numbers in the format
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE = 1, 2, 3, 4, 6
_KINDS = frozenset({_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE})
_COMPOSED = {"nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf"}  # rules whose results are in form C
# Stand for pieces that are exempt from the rules: no text has noncharacters, few have the others.
_MARKS = [chr(code) for code in (*range(0xFDD1, 0xFDF0), *range(0x10FF00, 0x10FFFE))]
# Characters that the library joins to the one before as a grapheme, and would then lose.
_JOINING = (
    r"(?<=[\s\S])(?=[\p{M}\x{200c}\x{200d}\x{ff9e}\x{ff9f}\x{1f3fb}-\x{1f3ff}\x{e0020}-\x{e007f}])"
    r"|(?<=\r)(?=\n)"
)


def sentencepiece_tokenizer(content: bytes, name: str) -> Tokenizer:
    """The tokenizer of a .model file's content; ``name`` is for messages.

    Control pieces (``<s>``, ``</s>``) and the unknown one become special tokens, which text
    never becomes. Raises UsageError without the optional packages, CheckpointError for a damaged
    file or one with properties that the library cannot reproduce.
    """
    model = _parse(content, name)
    _check_supported(model, name)
    own = [piece.piece for piece in model.pieces if piece.type == _USER_DEFINED]
    exempt = _changed_by_rules(own, model.normalizer_spec)
    tokenizer = Tokenizer.from_json(_converted(model, exempt), name)
    if exempt:  # earlier versions applied the rules to these pieces too
        tokenizer.has_replaced(Tokenizer.from_json(_converted(model, []), name))
    return tokenizer


def _converted(model: Any, exempt: Sequence[str]) -> str:
    """The text of tokenizer.json; rules leave the pieces ``exempt`` as they are."""
    pieces = {piece.piece: piece.type for piece in model.pieces}
    special = {
        piece.piece: number
        for number, piece in enumerate(model.pieces)
        if piece.type in (_UNKNOWN, _CONTROL)
    }
    converted = {
        "version": "1.0",
        "added_tokens": added_tokens(special),
        "normalizer": _sequence("normalizers", _normalizers(model.normalizer_spec, exempt)),
        "pre_tokenizer": _sequence("pretokenizers", _splits(model, pieces)),
        "post_processor": None,
        "decoder": _sequence("decoders", _decoders(model)),
        "model": _unigram(model) if model.trainer_spec.model_type == _UNIGRAM else _bpe(model),
    }
    return json.dumps(converted)


def _parse(content: bytes, name: str) -> Any:
    try:
        layout = import_module("sentencepiece.sentencepiece_model_pb2")
    except ImportError:  # of sentencepiece or of protobuf
        raise UsageError(
            f"{name} is a SentencePiece model: reading it needs pip install 'gptcli[sources]'"
        ) from None
    try:
        return layout.ModelProto.FromString(content)
    except Exception:  # importing protobuf for its error class is not worth it
        raise CheckpointError(
            f"{name} is not a SentencePiece model, or it is cut short: download it again"
        ) from None


def _check_supported(model: Any, name: str) -> None:
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    if not _is_whole(model):
        raise CheckpointError(f"{name} is a damaged SentencePiece model: download it again")
    kinds = {piece.type for piece in model.pieces}
    unsupported = {
        "a model type other than unigram and BPE": trainer.model_type not in (_UNIGRAM, _BPE),
        "pieces that are not used": bool(kinds - _KINDS),
        "spaces at the ends of words": trainer.treat_whitespace_as_suffix,
        "spaces that are not escaped": not normalizer.escape_whitespaces,
        "rules for decoding": bool(model.denormalizer_spec.precompiled_charsmap),
        f"normalization rules of its own ({normalizer.name!r:.40})": bool(
            normalizer.precompiled_charsmap and normalizer.name not in _COMPOSED
        ),
    }
    for what, is_there in unsupported.items():
        if is_there:
            raise CheckpointError(
                f"{name} has {what}, which cannot be converted exactly: give a tokenizer.json"
            )


def _is_whole(model: Any) -> bool:
    pieces = [piece.piece for piece in model.pieces]
    texts = [*pieces, model.trainer_spec.unk_surface, model.normalizer_spec.name]
    charsmap = model.normalizer_spec.precompiled_charsmap
    return (
        all(isinstance(text, str) for text in texts)  # bytes stand for what is not UTF-8
        and all(pieces)
        and len(set(pieces)) == len(pieces)
        and all(math.isfinite(piece.score) for piece in model.pieces)
        and [piece.type for piece in model.pieces].count(_UNKNOWN) == 1
        and (not charsmap or _is_sound(charsmap))
    )


def _is_sound(charsmap: bytes) -> bool:
    """Whether no look-up in the rules can leave their memory, which would abort the library.

    The layout is a number of bytes, a double-array trie of that size, and the replacements,
    each ended by a zero byte.
    """
    size = struct.unpack_from("<I", charsmap)[0] if len(charsmap) >= 4 else 0
    replacements = charsmap[4 + size :]
    if not size or size % 1024 or len(charsmap) < 4 + size or replacements[-1:] != b"\0":
        return False
    units = np.frombuffer(charsmap, "<u4", size // 4, offset=4).astype(np.int64)
    at = np.arange(len(units))
    below = at ^ ((units >> 10) << ((units & 512) >> 6))
    is_node = units >> 31 == 0
    if ((below[is_node] | 255) >= len(units)).any():
        return False
    ends = below[is_node & ((units >> 8) & 1 == 1)]
    values = units[ends] & (2**31 - 1)
    starts = {0, *(match.end() for match in re.finditer(b"\0", replacements))}
    try:
        replacements.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return {*values.tolist()} <= starts


def _changed_by_rules(pieces: Sequence[str], spec: Any) -> list[str]:
    """The pieces that the model's rules would change, the longest first."""
    if not spec.precompiled_charsmap:
        return []
    rules = normalizers.Sequence(
        [normalizers.Precompiled(spec.precompiled_charsmap), normalizers.NFC()]
    )
    changed = [piece for piece in pieces if rules.normalize_str(piece) != piece]
    return sorted(changed, key=len, reverse=True)[: len(_MARKS)]


def _normalizers(spec: Any, exempt: Sequence[str]) -> Iterator[dict[str, Any]]:
    """SentencePiece's normalization in its order: rules, spaces, prefix, spaces to U+2581.

    A mark that no rule changes stands for a piece that is ``exempt`` from the rules.
    """
    marks = dict(zip(exempt, _MARKS, strict=False))
    prefix = [{"type": "Prepend", "prepend": SPACE}] if spec.add_dummy_prefix else []
    if not spec.remove_extra_whitespaces:
        yield from prefix  # also for a text of which the rules leave nothing
    for piece, mark in marks.items():
        yield _replace({"String": piece}, mark)
    if spec.precompiled_charsmap:
        yield from _rules(spec)
    for piece, mark in marks.items():
        yield _replace({"String": mark}, piece)
    if spec.remove_extra_whitespaces:
        yield _replace({"Regex": rf"\A +|[ {SPACE}]+\z"}, "")
        yield _replace({"Regex": " {2,}"}, " ")
        yield from prefix
    yield _replace({"String": " "}, SPACE)


def _rules(spec: Any) -> Iterator[dict[str, Any]]:
    """Replacement of single characters by the model's rules, then composition.

    The library applies rules to graphemes, and drops the rest of a grapheme that a shorter rule
    leaves; a mark between its characters separates them. Rules for several characters only
    compose what those for single ones decompose, which form C does as well.
    """
    mark = "\x01" if spec.name.startswith("nmt") else "\ufdd0"  # nmt rules drop it from text
    yield _replace({"Regex": _JOINING}, mark)
    charsmap = b64encode(spec.precompiled_charsmap).decode()
    yield {"type": "Precompiled", "precompiled_charsmap": charsmap}
    yield _replace({"String": mark}, "")
    yield {"type": "NFC"}


def _splits(model: Any, pieces: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Divisions that change no ids, or that prevent text from becoming a special token."""
    own = sorted((piece for piece in pieces if pieces[piece] == _USER_DEFINED), key=len)
    is_unigram = model.trainer_spec.model_type == _UNIGRAM
    if own and not is_unigram:
        yield _split("|".join(map(re.escape, reversed(own))), "Isolated")
    if own or is_unigram:
        yield _split(_reserved(pieces), "MergedWithPrevious")
    spells_space = pieces.get(SPACE) == _NORMAL or model.trainer_spec.byte_fallback
    if spells_space and not any(SPACE in piece[1:] for piece in pieces):
        yield {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "never", "split": True}


def _reserved(pieces: Mapping[str, int]) -> str:
    """A regular expression for the beginning of control, unknown and byte pieces in text.

    The library would look these up in text like any other piece. A division within them, at a
    place where no other piece has those two characters in a row, makes that impossible.
    """
    normal = [piece for piece, kind in pieces.items() if kind in (_NORMAL, _USER_DEFINED)]
    joined = {pair for piece in normal for pair in pairwise(piece)}
    tails: dict[str, list[str]] = {}
    for piece, kind in pieces.items():
        if kind in (_UNKNOWN, _CONTROL, _BYTE) and len(piece) > 1:
            at = _place_to_divide(piece, joined, pieces)
            tails.setdefault(piece[:at], []).append(re.escape(piece[at:]))
    return "|".join(f"{re.escape(head)}(?={'|'.join(rest)})" for head, rest in tails.items())


def _place_to_divide(piece: str, joined: set[tuple[str, str]], pieces: Mapping[str, int]) -> int:
    places = range(1, len(piece))
    free = [at for at in places if (piece[at - 1], piece[at]) not in joined]
    known = [at for at in free if {piece[at - 1], piece[at]} & pieces.keys()]  # else one unknown
    return [*known, *free, 1][0]


def _decoders(model: Any) -> Iterator[dict[str, Any]]:
    spec, trainer = model.normalizer_spec, model.trainer_spec
    unknown = next(piece.piece for piece in model.pieces if piece.type == _UNKNOWN)
    yield _replace({"String": SPACE}, " ")
    yield _replace({"String": unknown}, trainer.unk_surface)
    if trainer.byte_fallback:
        yield {"type": "ByteFallback"}
    yield {"type": "Fuse"}
    if spec.add_dummy_prefix:
        yield {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def _unigram(model: Any) -> dict[str, Any]:
    return {
        "type": "Unigram",
        "unk_id": next(at for at, piece in enumerate(model.pieces) if piece.type == _UNKNOWN),
        "vocab": [(piece.piece, _score(piece)) for piece in model.pieces],
        "byte_fallback": model.trainer_spec.byte_fallback,
    }


def _score(piece: Any) -> float:
    """The score of a piece; user-defined ones get a little more than the best possible.

    SentencePiece's bonus differs from version to version; this agrees with 0.2.3's choices.
    """
    if piece.type == _USER_DEFINED:
        return 0.1 + 0.2 * len(piece.piece)
    return float(piece.score) if piece.type == _NORMAL else 0.0


def _bpe(model: Any) -> dict[str, Any]:
    normal = [piece for piece in model.pieces if piece.type == _NORMAL]
    by_rank = sorted(normal, key=lambda piece: -piece.score)
    ranks = {piece.piece: rank for rank, piece in enumerate(by_rank)}
    pairs = (last_merge(piece, ranks) for piece in ranks)
    kinds = {piece.type for piece in model.pieces}
    return {
        "type": "BPE",
        "unk_token": next(piece.piece for piece in model.pieces if piece.type == _UNKNOWN),
        "vocab": {piece.piece: number for number, piece in enumerate(model.pieces)},
        "merges": [pair for pair in pairs if pair and ranks.keys() >= {*pair}],
        "fuse_unk": True,
        "byte_fallback": model.trainer_spec.byte_fallback,
        "ignore_merges": _USER_DEFINED in kinds,  # these are looked up whole, not merged
    }


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _split(regex: str, behavior: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": False}


def _sequence(name: str, parts: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    listed = list(parts)
    return {"type": "Sequence", name: listed} if listed else None
