"""The files of a dataset, checked against what its record says of them."""

from dataclasses import dataclass
from pathlib import Path

from gptcli.data.dataset_record import (
    ITEM_SIZES,
    RECORD_FILE,
    DatasetRecord,
    mask_file,
    parse_record,
    starts_file,
)
from gptcli.errors import CheckpointError, DataError, ResourceError, UsageError
from gptcli.runtime.small_files import read_bounded
from gptcli.tokenization.tokenizer import TOKENIZER_FILE, Tokenizer


def read_record(directory: Path) -> DatasetRecord:
    """Read dataset.json; UsageError where there is none, DataError where it is damaged."""
    file = directory / RECORD_FILE
    try:
        content = read_bounded(file)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"no dataset in {directory} (no {RECORD_FILE}): make one with "
            "`gptcli prepare input.txt`"
        ) from None
    except OSError as error:
        raise ResourceError(f"cannot read {file}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{file} is damaged ({error}): run `gptcli prepare` again") from None
    return parse_record(content, str(file))


def check_shards(directory: Path, split: str, record: DatasetRecord) -> None:
    """DataError for a file of a split that is missing, extra or of another size than recorded."""
    expected = _expected(split, record)
    for name, contents in expected.items():
        _check_size(directory / name, contents)
    present = [
        file
        for pattern in ("part-*.bin", "part-*.mask", "documents.bin")
        for file in sorted((directory / split).glob(pattern))
    ]
    for file in present:
        if f"{split}/{file.name}" not in expected:
            raise DataError(
                f"{file} is not in {RECORD_FILE}: remove it or run `gptcli prepare` again"
            )


@dataclass(frozen=True)
class _Contents:
    """So many items of so many bytes."""

    count: int
    noun: str
    item_size: int


def _expected(split: str, record: DatasetRecord) -> dict[str, _Contents]:
    recorded = record.splits[split]
    files = {
        shard.file: _Contents(shard.tokens, "tokens", ITEM_SIZES[record.dtype])
        for shard in recorded.shards
    }
    if recorded.is_masked:
        for index, shard in enumerate(recorded.shards):
            files[mask_file(split, index)] = _Contents(shard.tokens, "tokens", 1)
        files[starts_file(split)] = _Contents(recorded.documents, "documents", 8)
    return files


def _check_size(file: Path, contents: _Contents) -> None:
    expected = contents.count * contents.item_size
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        raise DataError(f"{file} is missing: run `gptcli prepare` again") from None
    except OSError as error:
        raise ResourceError(f"cannot read {file}: {error.strerror or error}") from error
    if size != expected:
        raise DataError(
            f"{file} is damaged: it has {size:,} bytes, not {expected:,} "
            f"({contents.count:,} {contents.noun} of {contents.item_size}): "
            "run `gptcli prepare` again"
        )


def read_tokenizer(directory: Path, record: DatasetRecord) -> Tokenizer:
    """Load the dataset's tokenizer; CheckpointError unless it is the one that encoded it."""
    file = directory / TOKENIZER_FILE
    if not file.is_file():
        raise DataError(f"{file} is missing: run `gptcli prepare` again")
    tokenizer = Tokenizer.load(file)
    if tokenizer.identity != record.tokenizer:
        raise CheckpointError(
            f"{file} is not the tokenizer of this dataset (identity {tokenizer.identity[:12]}, "
            f"recorded {record.tokenizer[:12]}): run `gptcli prepare` again, or with "
            f"`--tokenizer {file}` to keep this one"
        )
    if tokenizer.vocab_size != record.vocab_size:
        raise DataError(
            f"{directory / RECORD_FILE} is damaged (vocab_size {record.vocab_size}, the tokenizer "
            f"has {tokenizer.vocab_size}): run `gptcli prepare` again"
        )
    return tokenizer
