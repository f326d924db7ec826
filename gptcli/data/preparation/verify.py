"""Checking every checksum, id and mask of a dataset, which opening it does not."""

from dataclasses import dataclass
from pathlib import Path

from gptcli.config.data import SPLITS
from gptcli.data.dataset import Dataset
from gptcli.data.dataset_record import RECORD_FILE, mask_file, starts_file
from gptcli.data.token_split import TokenSplit
from gptcli.errors import DataError, ResourceError
from gptcli.runtime.files import parse_object, read_bounded
from gptcli.runtime.hashing import is_as_written, sha256_of
from gptcli.runtime.progress import Advance, no_progress

_BLOCK = 2**22


@dataclass(frozen=True)
class Verified:
    """The size of a dataset that was found to be undamaged."""

    directory: Path
    files: int
    bytes: int


def verify_dataset(directory: Path, advance: Advance = no_progress) -> Verified:
    """Read and check the whole dataset.

    Raises DataError for the first file that differs from dataset.json, or that holds an id
    outside the vocabulary; CheckpointError for another tokenizer.
    """
    dataset = Dataset.open(directory)
    files = n_bytes = 0
    for split in SPLITS:
        record = dataset.record.splits[split]
        for index, shard in enumerate(record.shards):
            n_bytes += _check(directory / shard.file, shard.sha256, advance)
            files += 1
            if shard.mask_sha256 is not None:
                n_bytes += _check(directory / mask_file(split, index), shard.mask_sha256, advance)
                files += 1
        if record.starts_sha256 is not None:
            n_bytes += _check(directory / starts_file(split), record.starts_sha256, advance)
            files += 1
        _check_meaning(dataset.split(split))
    _check_record(directory / RECORD_FILE)
    return Verified(directory, files, n_bytes)


def _check_record(file: Path) -> None:
    """What tokens do not show: the source, and how many characters, bytes and documents it has."""
    if not is_as_written(parse_object(read_bounded(file))):
        raise DataError(
            f"{file} was changed since it was written: put it back, or run `gptcli prepare` again"
        )


def _check(file: Path, expected: str, advance: Advance) -> int:
    try:
        size = file.stat().st_size
        found = sha256_of(file, advance=advance)
    except OSError as error:
        raise ResourceError(f"cannot read {file}: {error.strerror or error}") from error
    if found != expected:
        raise DataError(
            f"{file} is damaged: its sha256 is {found[:12]}, recorded is "
            f"{expected[:12]}: run `gptcli prepare` again"
        )
    return size


def _check_meaning(split: TokenSplit) -> None:
    """Read and check all tokens, masks and document starts, whose files have the right hash."""
    for start in range(0, split.n_tokens, _BLOCK):
        split.read(start, min(_BLOCK, split.n_tokens - start))
    if split.is_masked:
        _ = split.n_targets, split.document_starts
