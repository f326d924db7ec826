"""From a text to a dataset: cut, encode, write, and only then let it be seen."""

from collections.abc import Callable, Iterator
from pathlib import Path

from gptcli.config.data import VAL_FRACTION
from gptcli.data.dataset import Dataset
from gptcli.data.dataset_record import (
    FORMAT,
    RECORD_FILE,
    SPLITS,
    TOKENIZER_FILE,
    DatasetRecord,
    SplitRecord,
    narrowest_dtype,
)
from gptcli.data.preparation.split_writer import SHARD_TOKENS, SplitWriter
from gptcli.data.text import SourceText
from gptcli.data.tokenization.character_table import UnseenCharacterError
from gptcli.data.tokenization.tokenizer import Tokenizer
from gptcli.errors import DataError
from gptcli.runtime.files import new_directory, remove_stale, write_json, write_text
from gptcli.runtime.locks import exclusive
from gptcli.runtime.names import timestamp
from gptcli.runtime.outputs import OutputKind, check_replaceable

_CHUNK = 2**22  # characters encoded at a time

Advance = Callable[[int], None]

DATASET = OutputKind(
    "dataset", RECORD_FILE, FORMAT, frozenset({RECORD_FILE, TOKENIZER_FILE, *SPLITS})
)


def prepare_text(
    source: SourceText,
    tokenizer: Tokenizer,
    directory: Path,
    *,
    val_fraction: float = VAL_FRACTION,
    overwrite: bool = False,
    shard_tokens: int = SHARD_TOKENS,
    advance: Advance = lambda characters: None,
) -> Dataset:
    """Encode ``source`` into a new dataset at ``directory`` and open it.

    The last ``val_fraction`` of the characters validates, the rest trains. ``advance`` is
    told the number of characters after each stretch. The directory appears whole or not at
    all; ResourceError if another process is writing it.
    """
    texts = split_text(source, val_fraction)
    check_replaceable(directory, overwrite, DATASET)
    with exclusive(directory.with_name(f".{directory.name}.lock"), str(directory)):
        check_replaceable(directory, overwrite, DATASET)
        remove_stale(directory.parent, directory.name)
        with new_directory(directory) as building:
            splits = {}
            offset = 0
            for name, text in texts.items():
                dtype = narrowest_dtype(tokenizer.vocab_size)
                with SplitWriter(building, name, dtype, shard_tokens) as writer:
                    splits[name] = _encode(source, text, offset, tokenizer, writer, advance)
                offset += len(text)
            _check_tokens(source, texts, splits)
            write_text(building / TOKENIZER_FILE, tokenizer.to_json())
            write_json(building / RECORD_FILE, _record(source, tokenizer, splits).to_json())
    return Dataset.open(directory)


def split_text(source: SourceText, val_fraction: float) -> dict[str, str]:
    """The text cut in two, at the whole part of ``(1 - val_fraction) * characters``."""
    n = len(source.text)
    cut = int((1 - val_fraction) * n)
    if cut == 0 or (cut == n and val_fraction > 0):
        raise DataError(
            f"{source.name} has {n} characters: --val-fraction {val_fraction:g} would leave {cut} "
            f"to train on and {n - cut} to validate with: give more text, or --val-fraction 0"
        )
    return {"train": source.text[:cut], "val": source.text[cut:]}


def _encode(
    source: SourceText,
    text: str,
    offset: int,
    tokenizer: Tokenizer,
    writer: SplitWriter,
    advance: Advance,
) -> SplitRecord:
    """Encode one split; ``offset`` is where it begins in the whole text, for messages."""
    for stretch in _stretches(text, tokenizer):
        try:
            ids = tokenizer.encode(stretch)
        except UnseenCharacterError as error:
            raise _unseen(source, offset + error.offset, error) from None
        writer.write(ids, stretch)
        advance(len(stretch))
        offset += len(stretch)
    return writer.close()


def _stretches(text: str, tokenizer: Tokenizer) -> Iterator[str]:
    # Only single characters may be cut anywhere without changing the ids.
    step = _CHUNK if tokenizer.kind == "char" else max(len(text), 1)
    return (text[start : start + step] for start in range(0, len(text), step))


def _unseen(source: SourceText, offset: int, error: UnseenCharacterError) -> DataError:
    line = source.text.count("\n", 0, offset) + 1
    there = UnseenCharacterError(error.character, offset, error.why)
    return DataError(
        f"{source.name}, line {line:,}: {there}: leave --tokenizer out, or give one made with --unk"
    )


def _check_tokens(
    source: SourceText, texts: dict[str, str], splits: dict[str, SplitRecord]
) -> None:
    for name, text in texts.items():
        if text and not splits[name].tokens:
            raise DataError(
                f"the {name} part of {source.name} ({len(text):,} characters) has no tokens: "
                "choose another --tokenizer"
            )


def _record(
    source: SourceText, tokenizer: Tokenizer, splits: dict[str, SplitRecord]
) -> DatasetRecord:
    return DatasetRecord(
        created=timestamp(),
        dtype=narrowest_dtype(tokenizer.vocab_size),
        vocab_size=tokenizer.vocab_size,
        tokenizer=tokenizer.identity,
        source={
            "name": source.name.encode("utf-8", "backslashreplace").decode(),
            "sha256": source.sha256,
            "bytes": source.n_bytes,
            "characters": len(source.text),
        },
        splits=splits,
    )
