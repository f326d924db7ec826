"""Whether the disk has room for a dataset, before a long encoding begins."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from gptcli.data.dataset_record import ITEM_SIZES, narrowest_dtype
from gptcli.data.preparation.plan import Plan, encode_tasks
from gptcli.data.token_writer import EncodedTokens
from gptcli.errors import ResourceError
from gptcli.runtime.progress import Watch
from gptcli.tokenization.tokenizer import Tokenizer

_SMALL = 2**28  # bytes; smaller datasets are not worth the time of an estimate
_MARGIN = 1.05
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
    """The bytes on disk of the tokens of a text and an end-of-text for each document."""
    tokens = text_tokens + plan.scan.documents
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
