"""Writing the dataset of a plan: room for it, its shards, its tokenizer and, last, its record."""

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gptcli.config.checks import counted
from gptcli.config.data import SPLITS, SplitBy
from gptcli.data.dataset_record import (
    FORMAT,
    ITEM_SIZES,
    RECORD_FILE,
    DatasetRecord,
    SplitRecord,
    narrowest_dtype,
    template_hash,
)
from gptcli.data.preparation.chats import shape_of
from gptcli.data.preparation.encode import encode_tasks
from gptcli.data.preparation.lost_text import check_total
from gptcli.data.preparation.plan import Plan
from gptcli.data.token_writer import SHARD_TOKENS, EncodedTokens, TokenWriter, dataset_files
from gptcli.errors import DataError, ResourceError
from gptcli.runtime.files import write_json
from gptcli.runtime.hashing import with_checksum
from gptcli.runtime.outputs import OutputKind, timestamp
from gptcli.runtime.progress import Watch
from gptcli.tokenization.tokenizer import TOKENIZER_FILE, Tokenizer, write_tokenizer
from gptcli.tokenization.tokenizer_config import CHAT_TEMPLATE_FILE, TOKENIZER_CONFIG_FILE

DATASET = OutputKind(
    "dataset",
    RECORD_FILE,
    FORMAT,
    frozenset({RECORD_FILE, TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, CHAT_TEMPLATE_FILE, *SPLITS}),
)
_SMALL = 2**28  # bytes; smaller datasets are not worth the time of an estimate
_MARGIN = 1.05  # on the estimate
_SAMPLED_CHUNKS = 4


def check_room(plan: Plan, tokenizer: Tokenizer, building: Path, watch: Watch) -> None:
    """Raise ResourceError where the dataset will not fit on the disk of ``building``."""
    free = shutil.disk_usage(building).free
    # A token stands for at least one byte.
    needed = _size(plan, tokenizer, plan.scan.bytes)
    if needed > min(free, _SMALL):
        needed = int(_size(plan, tokenizer, _expected_tokens(plan, tokenizer)) * _MARGIN)
    if needed > _SMALL:
        watch.note(f"about {needed / 1e6:,.0f} MB will be written, {free / 1e6:,.0f} MB are free")
    if needed > free:
        raise ResourceError(
            f"no room for the dataset: it needs about {needed / 1e6:,.1f} MB, {free / 1e6:,.1f} MB "
            "are free: free some space or choose another --out"
        )


def _size(plan: Plan, tokenizer: Tokenizer, text_tokens: float) -> int:
    """The bytes on disk of the tokens of a text and the special ones around each document."""
    around = 1 + len(tokenizer.template.before) + len(tokenizer.template.after)
    tokens = text_tokens + plan.scan.documents * around
    item_size = ITEM_SIZES[narrowest_dtype(tokenizer.vocab_size)] + plan.scan.is_masked
    copies = 2 if plan.config.shuffle else 1
    return int(tokens * item_size * copies)


def _expected_tokens(plan: Plan, tokenizer: Tokenizer) -> float:
    """Estimate the tokens from the tokens per byte of the first chunks."""
    chunks = _first_chunks(plan, tokenizer)
    pieces = [part for encoded in chunks for part in encoded.values()]
    n_bytes = sum(piece.bytes for piece in pieces)
    n_tokens = sum(len(piece.ids) for piece in pieces)
    return plan.scan.bytes * n_tokens / max(n_bytes, 1)


def _first_chunks(plan: Plan, tokenizer: Tokenizer) -> Iterator[dict[str, EncodedTokens]]:
    encoded = encode_tasks(plan, tokenizer, plan.tasks, lambda count: None)
    for _, part in zip(range(_SAMPLED_CHUNKS), encoded, strict=False):
        yield part


def write_dataset(
    building: Path,
    plan: Plan,
    tokenizer: Tokenizer,
    tokens: Iterable[dict[str, EncodedTokens]],
    shard_tokens: int = SHARD_TOKENS,
) -> None:
    """Write ``tokens`` and what describes them; DataError where a split gets none."""
    dtype = narrowest_dtype(tokenizer.vocab_size)
    with contextlib.ExitStack() as stack:
        writers = {}
        for split in SPLITS:
            (building / split).mkdir()
            files = dataset_files(split, plan.scan.is_masked)
            writer = TokenWriter(building, files, dtype, shard_tokens)
            writers[split] = stack.enter_context(writer)
        for encoded in tokens:
            for split, part in encoded.items():
                writers[split].write(part)
        splits = {split: writer.close() for split, writer in writers.items()}
    _check_tokens(plan, splits)
    check_total(plan.corpus.title, splits, plan.config.allow_unknown)
    write_tokenizer(building, tokenizer)
    record = DatasetRecord(
        created=timestamp(),
        dtype=dtype,
        vocab_size=tokenizer.vocab_size,
        tokenizer=tokenizer.identity,
        source=_source(plan),
        splits=splits,
        pairs=plan.kind.is_pair,
        chat_template=template_hash(tokenizer.chat_template),
        end_of_turn=_end_of_turn(plan, tokenizer),
    )
    write_json(building / RECORD_FILE, with_checksum(record.to_json()))


def _end_of_turn(plan: Plan, tokenizer: Tokenizer) -> str | None:
    """The name of the token that ends an answer of a chat or a pair."""
    shape = shape_of(plan.kind, tokenizer)
    if plan.kind.has_turns:
        return shape.template.end_token
    return shape.end if plan.kind.is_pair else None


def _check_tokens(plan: Plan, splits: dict[str, SplitRecord]) -> None:
    for split, record in splits.items():
        if record.tokens and record.targets == 0:
            raise DataError(
                f"nothing in the {split} part of {plan.corpus.title} counts as a target: no record "
                "there has an answer to learn"
            )
        if record.tokens or (split == "val" and plan.config.val_fraction == 0):
            continue
        if record.characters:
            raise DataError(
                f"the {split} part of {plan.corpus.title} "
                f"({counted(record.characters, 'character')}) has no tokens: choose another "
                "--tokenizer"
            )
        other = (
            "--split-by text"
            if plan.split_by is SplitBy.DOCUMENT
            else f"--split-by document or another --val-fraction than {plan.config.val_fraction:g}"
        )
        raise DataError(
            f"none of {counted(plan.scan.documents, 'document')} of {plan.corpus.title} falls to "
            f"the {split} split: use {other}, or --val-fraction 0"
        )


def _source(plan: Plan) -> dict[str, Any]:
    scan = plan.scan
    return {
        "name": plan.corpus.title.encode("utf-8", "backslashreplace").decode(),
        "sha256": scan.sha256,
        "bytes": scan.bytes,
        "characters": scan.characters,
        "documents": scan.documents,
        "replaced": scan.replaced,
        "left_out": scan.bad,
        "split_by": plan.split_by.value,
        "val_fraction": plan.config.val_fraction,
        "shuffle_seed": plan.config.seed if plan.config.shuffle else None,
    }
