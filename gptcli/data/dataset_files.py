"""The files of a dataset, checked against what its record says of them."""

from pathlib import Path

from gptcli.data.dataset_record import (
    ITEM_SIZES,
    RECORD_FILE,
    TOKENIZER_FILE,
    DatasetRecord,
    Shard,
    parse_record,
)
from gptcli.data.tokenization.tokenizer import Tokenizer
from gptcli.errors import CheckpointError, DataError, ResourceError, UsageError
from gptcli.runtime.small_files import read_bounded


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
    """DataError for a shard that is missing, extra or of another size than recorded."""
    shards = record.splits[split].shards
    for shard in shards:
        _check_size(directory, shard, ITEM_SIZES[record.dtype])
    expected = {shard.file for shard in shards}
    for file in sorted((directory / split).glob("part-*.bin")):
        if f"{split}/{file.name}" not in expected:
            raise DataError(
                f"{file} is not in {RECORD_FILE}: remove it or run `gptcli prepare` again"
            )


def _check_size(directory: Path, shard: Shard, item_size: int) -> None:
    file, expected = directory / shard.file, shard.tokens * item_size
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        raise DataError(f"{file} is missing: run `gptcli prepare` again") from None
    except OSError as error:
        raise ResourceError(f"cannot read {file}: {error.strerror or error}") from error
    if size != expected:
        raise DataError(
            f"{file} is damaged: it has {size:,} bytes, not {expected:,} "
            f"({shard.tokens:,} tokens of {item_size}): run `gptcli prepare` again"
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
