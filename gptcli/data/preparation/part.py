"""Parts: directories of encoded tokens, of one task or of all before a shuffle."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptcli.config.data import SPLITS
from gptcli.data.dataset_record import SplitRecord, narrowest_dtype
from gptcli.data.order import permute
from gptcli.data.shards import PAIR_MASK, START, Shards, token_content
from gptcli.data.token_writer import EncodedTokens, TokenFiles, TokenWriter
from gptcli.errors import DataError
from gptcli.runtime.files import parse_object, read_bounded, write_json
from gptcli.runtime.hashing import sha256_of
from gptcli.runtime.seeds import derive_seed

PART_RECORD = "part.json"
# Of a split, as the record has them.
_SIZES = ("tokens", "documents", "characters", "bytes", "lost")
_BLOCK = 2**20  # tokens read at a time
_DOCUMENTS = 4096  # gathered at a time


class PartWriter:
    """Appends tokens of both splits to a directory; ``close`` completes the part."""

    def __init__(self, directory: Path, dtype: str, is_masked: bool) -> None:
        self._directory = directory
        with contextlib.ExitStack() as stack:
            self._writers = {
                split: stack.enter_context(
                    TokenWriter(directory, _part_files(split, is_masked), dtype)
                )
                for split in SPLITS
            }
            self._opened = stack.pop_all()

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def write(self, split: str, encoded: EncodedTokens) -> None:
        """Append tokens to a split."""
        self._writers[split].write(encoded)

    def close(self, plan: str) -> None:
        """Write the record of the files; ``plan`` is the sha256 of the plan of the part."""
        splits = {split: writer.close() for split, writer in self._writers.items()}
        record = {
            "plan": plan,
            "splits": {
                split: {size: getattr(written, size) for size in _SIZES}
                for split, written in splits.items()
            },
            "sha256": {
                name: digest
                for split, written in splits.items()
                for name, digest in _checksums(split, written).items()
            },
        }
        write_json(self._directory / PART_RECORD, record)


def _part_files(split: str, is_masked: bool) -> TokenFiles:
    return TokenFiles(
        tokens=lambda _: f"{split}.tokens",
        mask=(lambda _: f"{split}.mask") if is_masked else None,
        starts=f"{split}.starts",
    )


def _checksums(split: str, written: SplitRecord) -> dict[str, str]:
    (shard,) = written.shards
    digests = {"tokens": shard.sha256, "starts": written.starts_sha256, "mask": shard.mask_sha256}
    return {f"{split}.{kind}": digest for kind, digest in digests.items() if digest is not None}


@dataclass(frozen=True)
class PartTokens:
    """The tokens of one split of several parts, one part after another."""

    tokens: Shards
    masks: Shards | None
    starts: NDArray[np.int64]
    n_tokens: int
    characters: int
    bytes: int
    lost: int | None

    @classmethod
    def open(
        cls, parts: Sequence[Path], split: str, vocab_size: int, is_masked: bool
    ) -> "PartTokens":
        """Open the files of all parts; DataError where one has another size than recorded."""
        content = token_content(narrowest_dtype(vocab_size), vocab_size)
        recorded = [_recorded_sizes(part, split) for part in parts]
        for part, sizes in zip(parts, recorded, strict=True):
            _check_size(part, f"{split}.tokens", sizes["tokens"] * content.dtype.itemsize)
            _check_size(part, f"{split}.starts", sizes["documents"] * START.itemsize)
            if is_masked:
                _check_size(part, f"{split}.mask", sizes["tokens"])
        lengths = [sizes["tokens"] for sizes in recorded]
        lost = [sizes.get("lost") for sizes in recorded]
        bases = np.cumsum([0, *lengths])
        starts = [
            np.fromfile(part / f"{split}.starts", START).astype(np.int64) + base
            for part, base in zip(parts, bases[:-1].tolist(), strict=True)
        ]
        # Not mapped: there may be more parts than a process may have open files.
        return cls(
            Shards([part / f"{split}.tokens" for part in parts], lengths, content, False),
            Shards([part / f"{split}.mask" for part in parts], lengths, PAIR_MASK, False)
            if is_masked
            else None,
            np.concatenate(starts) if starts else np.empty(0, dtype=np.int64),
            int(bases[-1]),
            sum(sizes["characters"] for sizes in recorded),
            sum(sizes["bytes"] for sizes in recorded),
            None if any(size is None for size in lost) else sum(size or 0 for size in lost),
        )

    def read(self, first: int, last: int) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
        """Tokens ``first`` to ``last - 1`` and their mask."""
        ids = self.tokens.read(first, last - first)
        return ids, None if self.masks is None else self.masks.read(first, last - first)


def _recorded_sizes(part: Path, split: str) -> dict[str, int]:
    try:
        record = _record_of(part)["splits"][split]
        # Parts of earlier versions do not say what was lost.
        return {size: int(record[size]) for size in _SIZES if size != "lost" or size in record}
    except (ValueError, KeyError, TypeError, OverflowError):
        raise _damaged(part, part / PART_RECORD) from None


def _check_size(part: Path, name: str, n_bytes: int) -> None:
    file = part / name
    if not file.is_file() or file.stat().st_size != n_bytes:
        raise _damaged(part, file)


def check_part(directory: Path) -> None:
    """Raise DataError unless all files of a part have the recorded sha256."""
    for name, expected in _record_of(directory).get("sha256", {}).items():
        try:
            found = sha256_of(directory / name)
        except OSError:
            found = ""
        if found != expected:
            raise _damaged(directory, directory / name)


def in_order(parts: PartTokens) -> Iterator[EncodedTokens]:
    """The tokens of a split in the order of the parts, in blocks."""
    boundaries = [*range(0, max(parts.n_tokens, 1), _BLOCK), parts.n_tokens]
    for first, last in pairwise(boundaries):
        ids, mask = parts.read(first, last)
        # A document of white space may have no tokens, and so start at the very end.
        low, high = np.searchsorted(parts.starts, [first, last + (last == parts.n_tokens)])
        yield _sized(parts, first == 0, ids, mask, parts.starts[low:high] - first)


def shuffled(parts: PartTokens, split: str, seed: int) -> Iterator[EncodedTokens]:
    """The documents of a split in an order that ``seed`` and their number alone decide."""
    starts, ends = parts.starts, np.append(parts.starts[1:], parts.n_tokens)
    key = derive_seed(seed, "documents", split)
    for first in range(0, len(starts), _DOCUMENTS):
        index = np.arange(first, min(first + _DOCUMENTS, len(starts)), dtype=np.int64)
        chosen = permute(index, len(starts), key)
        spans = zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True)
        pieces = [parts.read(*span) for span in spans]
        masks = [mask for _, mask in pieces if mask is not None]
        lengths = [len(ids) for ids, _ in pieces]
        yield _sized(
            parts,
            first == 0,
            np.concatenate([ids for ids, _ in pieces]),
            np.concatenate(masks) if masks else None,
            np.cumsum([0, *lengths[:-1]], dtype=np.int64),
        )


def _sized(
    parts: PartTokens,
    is_first: bool,
    ids: NDArray[Any],
    mask: NDArray[np.uint8] | None,
    starts: NDArray[np.int64],
) -> EncodedTokens:
    """Encoded tokens; the first ones carry the size of the whole text, so that it counts once."""
    if is_first:
        return EncodedTokens(ids, mask, starts, parts.characters, parts.bytes, parts.lost)
    return EncodedTokens(ids, mask, starts)


def _record_of(directory: Path) -> dict[str, Any]:
    file = directory / PART_RECORD
    try:
        record = parse_object(read_bounded(file))
        if not isinstance(record.get("sha256", {}), dict):
            raise ValueError("sha256 is not an object")
    except (OSError, ValueError):
        raise _damaged(directory, file) from None
    return record


def _damaged(directory: Path, file: Path) -> DataError:
    return DataError(f"{file} is damaged: remove {directory} and encode it again")
