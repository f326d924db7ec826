"""Tokens between encoding and the dataset: of one task of a plan, or of all before a shuffle."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gptcli.data.dataset_record import SPLITS
from gptcli.data.order import permute
from gptcli.data.preparation.encode import EncodedTokens
from gptcli.errors import DataError
from gptcli.runtime.files import write_json
from gptcli.runtime.seeds import derive_seed
from gptcli.runtime.small_files import parse_object, read_bounded

PART_RECORD = "part.json"
_SIZES = ("tokens", "documents", "characters", "bytes")  # of a split, as the record has them
_START = np.dtype("<i8")
_BLOCK = 2**20  # tokens read at a time
_DOCUMENTS = 4096  # gathered at a time


class PartWriter:
    """Appends tokens of both splits to a directory; ``close`` makes it a whole part."""

    def __init__(self, directory: Path, is_masked: bool) -> None:
        self._directory = directory
        kinds = ("tokens", "starts", "mask") if is_masked else ("tokens", "starts")
        self._files: dict[tuple[str, str], BinaryIO] = {}
        for split in SPLITS:
            for kind in kinds:
                self._files[split, kind] = _file(directory, split, kind).open("xb")
        self._digests = {name: hashlib.sha256() for name in self._files}
        self._sizes = {split: dict.fromkeys(_SIZES, 0) for split in SPLITS}

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def write(self, split: str, encoded: EncodedTokens) -> None:
        """Append tokens to a split."""
        sizes = self._sizes[split]
        self._append(split, "tokens", _little(encoded.ids).tobytes())
        self._append(split, "starts", _little(encoded.starts + sizes["tokens"]).tobytes())
        if encoded.mask is not None:
            self._append(split, "mask", encoded.mask.tobytes())
        sizes["tokens"] += len(encoded.ids)
        sizes["documents"] += len(encoded.starts)
        sizes["characters"] += encoded.characters
        sizes["bytes"] += encoded.bytes

    def _append(self, split: str, kind: str, content: bytes) -> None:
        self._files[split, kind].write(content)
        self._digests[split, kind].update(content)

    def close(self, plan: str) -> None:
        """Say what the files hold, and of which plan (its sha256) they are a part."""
        for file in self._files.values():
            file.close()
        checksums = {
            _file(self._directory, split, kind).name: digest.hexdigest()
            for (split, kind), digest in self._digests.items()
        }
        record = {"plan": plan, "splits": self._sizes, "sha256": checksums}
        write_json(self._directory / PART_RECORD, record)


class PartSplit:
    """The tokens of one split of a part; DataError where it is not as it was written."""

    def __init__(self, directory: Path, split: str, dtype: str, is_masked: bool) -> None:
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._is_masked = is_masked
        self._directory, self._split = directory, split
        self.n_tokens, n_documents, self.characters, self.bytes = self._recorded()
        self._check("tokens", self.n_tokens * self._dtype.itemsize)
        if is_masked:
            self._check("mask", self.n_tokens)
        self._check("starts", n_documents * _START.itemsize)
        self.starts: NDArray[np.int64] = np.fromfile(_file(directory, split, "starts"), _START)

    def read(self, first: int, last: int) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
        """Tokens ``first`` to ``last - 1`` and their mask."""
        ids = self._read("tokens", self._dtype, first, last)
        mask = self._read("mask", np.dtype(np.uint8), first, last) if self._is_masked else None
        return ids, mask

    def _read(self, kind: str, dtype: np.dtype[Any], first: int, last: int) -> NDArray[Any]:
        # Opened anew each time: there may be more parts than a process may have open files.
        with _file(self._directory, self._split, kind).open("rb", buffering=0) as file:
            return np.fromfile(file, dtype, last - first, offset=first * dtype.itemsize)

    def _recorded(self) -> list[int]:
        try:
            record = _record_of(self._directory)["splits"][self._split]
            return [int(record[size]) for size in _SIZES]
        except (ValueError, KeyError, TypeError):
            raise _damaged(self._directory, self._directory / PART_RECORD) from None

    def _check(self, kind: str, n_bytes: int) -> None:
        file = _file(self._directory, self._split, kind)
        if not file.is_file() or file.stat().st_size != n_bytes:
            raise _damaged(self._directory, file)


def check_part(directory: Path) -> None:
    """DataError unless every byte of a part is as it was written."""
    for name, expected in _record_of(directory).get("sha256", {}).items():
        try:
            with (directory / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            found = ""
        if found != expected:
            raise _damaged(directory, directory / name)


def in_order(parts: Sequence[PartSplit]) -> Iterator[EncodedTokens]:
    """The tokens of a split as they are."""
    for part in parts:
        boundaries = [*range(0, max(part.n_tokens, 1), _BLOCK), part.n_tokens]
        for first, last in pairwise(boundaries):
            ids, mask = part.read(first, last)
            # A document may start where the part ends: its tokens are in the next one.
            low, high = np.searchsorted(part.starts, [first, last + (last == part.n_tokens)])
            is_first = first == 0
            yield EncodedTokens(
                ids=ids,
                mask=mask,
                starts=part.starts[low:high] - first,
                characters=part.characters if is_first else 0,
                bytes=part.bytes if is_first else 0,
            )


def shuffled(parts: Sequence[PartSplit], split: str, seed: int) -> Iterator[EncodedTokens]:
    """The documents of a split in an order that ``seed`` and their number alone decide."""
    bases = np.cumsum([0, *(part.n_tokens for part in parts)])
    starts = np.concatenate(
        [part.starts + base for part, base in zip(parts, bases[:-1], strict=True)]
    )
    ends = np.append(starts[1:], bases[-1])
    key = derive_seed(seed, "documents", split)
    characters = sum(part.characters for part in parts)
    n_bytes = sum(part.bytes for part in parts)
    for first in range(0, len(starts), _DOCUMENTS):
        index = np.arange(first, min(first + _DOCUMENTS, len(starts)), dtype=np.int64)
        chosen = permute(index, len(starts), key)
        spans = zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True)
        pieces = [_read_across(parts, bases, *span) for span in spans]
        yield _gathered(pieces, characters if first == 0 else 0, n_bytes if first == 0 else 0)


def _read_across(
    parts: Sequence[PartSplit], bases: NDArray[np.int64], first: int, last: int
) -> EncodedTokens:
    """One document, which may lie in several parts."""
    ids: list[NDArray[Any]] = []
    masks: list[NDArray[np.uint8]] = []
    number = int(np.searchsorted(bases, first, side="right")) - 1
    while first < last:
        base, end = int(bases[number]), min(last, int(bases[number + 1]))
        tokens, mask = parts[number].read(first - base, end - base)
        ids.append(tokens)
        if mask is not None:
            masks.append(mask)
        first, number = end, number + 1
    joined = np.concatenate(masks) if masks else None
    return EncodedTokens(np.concatenate(ids), joined, np.zeros(1, dtype=np.int64), 0, 0)


def _gathered(pieces: Sequence[EncodedTokens], characters: int, n_bytes: int) -> EncodedTokens:
    lengths = [len(piece.ids) for piece in pieces]
    masks = [piece.mask for piece in pieces if piece.mask is not None]
    return EncodedTokens(
        ids=np.concatenate([piece.ids for piece in pieces]),
        mask=np.concatenate(masks) if masks else None,
        starts=np.cumsum([0, *lengths[:-1]], dtype=np.int64),
        characters=characters,
        bytes=n_bytes,
    )


def _record_of(directory: Path) -> dict[str, Any]:
    file = directory / PART_RECORD
    try:
        return parse_object(read_bounded(file))
    except (OSError, ValueError):
        raise _damaged(directory, file) from None


def _damaged(directory: Path, file: Path) -> DataError:
    return DataError(f"{file} is damaged: remove {directory} and encode it again")


def _file(directory: Path, split: str, kind: str) -> Path:
    return directory / f"{split}.{kind}"


def _little(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(values.dtype.newbyteorder("<"), copy=False)
