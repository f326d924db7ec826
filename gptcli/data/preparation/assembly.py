"""Writing the dataset of a plan: its shards, its tokenizer and, last, its record."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gptcli.config.data import SPLITS, SplitBy
from gptcli.data.dataset_record import (
    FORMAT,
    RECORD_FILE,
    DatasetRecord,
    SplitRecord,
    narrowest_dtype,
)
from gptcli.data.preparation.plan import Plan
from gptcli.data.token_writer import SHARD_TOKENS, EncodedTokens, TokenWriter, dataset_files
from gptcli.errors import DataError
from gptcli.runtime.files import write_json, write_text
from gptcli.runtime.outputs import OutputKind, timestamp
from gptcli.tokenization.tokenizer import TOKENIZER_FILE, Tokenizer

DATASET = OutputKind(
    "dataset", RECORD_FILE, FORMAT, frozenset({RECORD_FILE, TOKENIZER_FILE, *SPLITS})
)


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
    write_text(building / TOKENIZER_FILE, tokenizer.to_json())
    record = DatasetRecord(
        created=timestamp(),
        dtype=dtype,
        vocab_size=tokenizer.vocab_size,
        tokenizer=tokenizer.identity,
        source=_source(plan),
        splits=splits,
    )
    write_json(building / RECORD_FILE, record.to_json())


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
                f"the {split} part of {plan.corpus.title} ({record.characters:,} characters) has "
                "no tokens: choose another --tokenizer"
            )
        other = (
            "--split-by text"
            if plan.split_by is SplitBy.DOCUMENT
            else f"--split-by document or another --val-fraction than {plan.config.val_fraction:g}"
        )
        raise DataError(
            f"none of the {plan.scan.documents:,} documents of {plan.corpus.title} falls to the "
            f"{split} split: use {other}, or --val-fraction 0"
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
