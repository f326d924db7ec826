"""Opening a dataset, ``data/NAME/``: its record, its tokenizer and its tokens, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gptcli.config.data import SPLITS
from gptcli.data.dataset_record import (
    DATASETS,
    ITEM_SIZES,
    RECORD_FILE,
    DatasetRecord,
    mask_file,
    missing_dataset,
    parse_record,
    starts_file,
    template_hash,
)
from gptcli.data.token_split import TokenSplit
from gptcli.errors import CheckpointError, DataError, ResourceError, UsageError
from gptcli.runtime.escapes import typed
from gptcli.runtime.files import read_bounded
from gptcli.runtime.outputs import newest
from gptcli.tokenization.tokenizer import TOKENIZER_FILE, Tokenizer
from gptcli.tokenization.tokenizer_config import CHAT_TEMPLATE_FILE


class Dataset:
    """An opened dataset; make one with ``Dataset.open``."""

    def __init__(self, directory: Path, record: DatasetRecord, tokenizer: Tokenizer) -> None:
        self.directory = directory
        self.record = record
        self.tokenizer = tokenizer

    @classmethod
    def open(cls, directory: Path) -> "Dataset":
        """Open a dataset, and check everything but the content of the token files.

        Raises UsageError where there is no dataset, DataError where its files differ from
        dataset.json, CheckpointError where tokenizer.json is that of another dataset.
        """
        record = read_record(directory)
        for split in SPLITS:
            _check_sizes(directory, split, record)
        return cls(directory, record, _read_tokenizer(directory, record))

    @property
    def vocab_size(self) -> int:
        """The size of the vocabulary: every id is below it."""
        return self.record.vocab_size

    @property
    def identity(self) -> str:
        """Sha256 of the content: dtype, tokenizer and the checksums of the files."""
        return self.record.identity

    def has_identity(self, identity: str) -> bool:
        """Whether ``identity`` is that of this content, in the form of any version."""
        known = (self.record.tokenizer, self.tokenizer.identity, *self.tokenizer.former_identities)
        return any(replace(self.record, tokenizer=one).identity == identity for one in known)

    @property
    def end_of_turn(self) -> int | None:
        """The id of the token that ends an answer in chats and pairs; None in other data."""
        name = self.record.end_of_turn
        return None if name is None else self.tokenizer.special_tokens[name]

    @property
    def source(self) -> Mapping[str, Any]:
        """Name, sha256, bytes and characters of the text."""
        return self.record.source

    @property
    def answer_ends(self) -> frozenset[int]:
        """The ids that end an answer in masked data; empty where the tokenizer has none."""
        ends = (self.end_of_turn, self.tokenizer.end_of_text)
        return frozenset(end for end in ends if end is not None)

    @cached_property
    def train(self) -> TokenSplit:
        """The split that a model learns from."""
        return self.split("train")

    @cached_property
    def val(self) -> TokenSplit:
        """The split that it is measured on; empty after ``--val-fraction 0``."""
        return self.split("val")

    def split(self, name: str) -> TokenSplit:
        """The split of that name; UsageError for another name than train and val."""
        if name not in SPLITS:
            raise UsageError(f"split {name} is unknown: choose one of {', '.join(SPLITS)}")
        return TokenSplit(self.directory, name, self.record)


def newest_dataset(root: Path = DATASETS) -> Path:
    """The dataset below ``root`` that was made last; UsageError if there is none."""
    found = newest(root, RECORD_FILE)
    if found is None:
        raise UsageError(f"no dataset in {root}/: make one with `gptcli prepare input.txt`")
    return found


def read_record(directory: Path) -> DatasetRecord:
    """Read dataset.json; UsageError where there is none, DataError where it is damaged."""
    file = directory / RECORD_FILE
    try:
        content = read_bounded(file)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(missing_dataset(directory)) from None
    except OSError as error:
        raise ResourceError(f"cannot read {file}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{file} is damaged ({error}): run `gptcli prepare` again") from None
    return parse_record(content, str(file))


def _check_sizes(directory: Path, split: str, record: DatasetRecord) -> None:
    """Raise DataError for a file of a split that is missing, extra or of another size."""
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
    """The number of items that a file should hold, and the bytes of each."""

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


def _read_tokenizer(directory: Path, record: DatasetRecord) -> Tokenizer:
    """Load the dataset's tokenizer; CheckpointError unless it is the one that encoded it."""
    file = directory / TOKENIZER_FILE
    if not file.is_file():
        raise DataError(f"{file} is missing: run `gptcli prepare` again")
    tokenizer = Tokenizer.load(file)
    if not tokenizer.has_identity(record.tokenizer):
        raise CheckpointError(
            f"{file} is not the tokenizer of this dataset (identity {tokenizer.identity[:12]}, "
            f"recorded {record.tokenizer[:12]}): run `gptcli prepare` again, or with "
            f"`--tokenizer {typed(file)}` to keep this one"
        )
    if tokenizer.vocab_size != record.vocab_size:
        raise DataError(
            f"{directory / RECORD_FILE} is damaged (vocab_size {record.vocab_size}, the tokenizer "
            f"has {tokenizer.vocab_size}): run `gptcli prepare` again"
        )
    found = template_hash(tokenizer.chat_template)
    if found != record.chat_template:
        raise CheckpointError(
            f"{directory / CHAT_TEMPLATE_FILE} is not the chat template of this dataset (sha256 "
            f"{(found or 'of none')[:12]}, recorded "
            f"{(record.chat_template or 'none')[:12]}): put it back, or run `gptcli prepare` again"
        )
    if record.end_of_turn is not None and record.end_of_turn not in tokenizer.special_tokens:
        raise DataError(
            f"{directory / RECORD_FILE} is damaged (end_of_turn {record.end_of_turn!r:.40} is no "
            "special token of the tokenizer): run `gptcli prepare` again"
        )
    return tokenizer
