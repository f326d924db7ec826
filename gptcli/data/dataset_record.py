"""dataset.json: the record of a dataset's content, sizes and checksums."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gptcli.config.data import SPLITS
from gptcli.errors import DataError
from gptcli.runtime.files import parse_object

DATASETS = Path("data")
RECORD_FILE = "dataset.json"
FORMAT = "gptcli.dataset/1"
ITEM_SIZES: Mapping[str, int] = {"uint16": 2, "uint32": 4}

_SHA256 = re.compile(r"[0-9a-f]{64}")


def missing_dataset(directory: Path) -> str:
    """The message for a directory that is no dataset."""
    return f"no dataset in {directory} (no {RECORD_FILE}): make one with `gptcli prepare input.txt`"


def shard_file(split: str, index: int) -> str:
    """The path of shard ``index`` of a split, relative to the dataset."""
    return f"{split}/part-{index:05d}.bin"


def mask_file(split: str, index: int) -> str:
    """The path of the mask of shard ``index``: a byte per token, 1 for a target, else 0."""
    return f"{split}/part-{index:05d}.mask"


def starts_file(split: str) -> str:
    """The path of the document starts of a masked split, as little-endian uint64."""
    return f"{split}/documents.bin"


def narrowest_dtype(vocab_size: int) -> str:
    """The smaller of the two types of token files, if it can hold every id."""
    return "uint16" if vocab_size <= 2**16 else "uint32"


def template_hash(template: str | None) -> str | None:
    """The sha256 of a chat template; None where there is none."""
    return None if template is None else hashlib.sha256(template.encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class Shard:
    """One file of tokens, and the checksum of its mask in a dataset that has masks."""

    file: str
    tokens: int
    sha256: str
    mask_sha256: str | None = None


@dataclass(frozen=True)
class SplitRecord:
    """The size of a split in several units, and its shards in order.

    Only a masked split has ``targets`` (the ones in its masks) and ``starts_sha256``. ``lost`` is
    the number of characters that the tokens do not restore; earlier versions did not count them.
    """

    tokens: int
    characters: int
    bytes: int
    shards: tuple[Shard, ...]
    documents: int = 0
    lost: int | None = None
    targets: int | None = None
    starts_sha256: str | None = None

    @property
    def is_masked(self) -> bool:
        """Whether a mask says which of the tokens count as targets."""
        return self.starts_sha256 is not None


@dataclass(frozen=True)
class DatasetRecord:
    """All of dataset.json; ``tokenizer`` is the tokenizer's identity.

    With ``pairs`` every document is a prompt, a chosen answer and a rejected one.
    ``chat_template`` is the sha256 of the tokenizer's, and ``end_of_turn`` the name of the token
    that ends an answer in chats and pairs; each is None where there is none.
    """

    created: str
    dtype: str
    vocab_size: int
    tokenizer: str
    source: Mapping[str, Any]
    splits: Mapping[str, SplitRecord]
    pairs: bool = False
    chat_template: str | None = None
    end_of_turn: str | None = None

    @property
    def is_masked(self) -> bool:
        """Whether masks say which tokens count as targets: in both splits, or in neither."""
        return any(split.is_masked for split in self.splits.values())

    @property
    def identity(self) -> str:
        """Sha256 of the content: the same text, prepared elsewhere, has the same identity."""
        splits = {name: self.splits[name] for name in SPLITS}
        content: dict[str, Any] = {
            "dtype": self.dtype,
            "tokenizer": self.tokenizer,
            "splits": {name: [s.sha256 for s in split.shards] for name, split in splits.items()},
        }
        if self.is_masked:
            content["masks"] = {
                name: [s.mask_sha256 for s in split.shards] for name, split in splits.items()
            }
            content["starts"] = {name: split.starts_sha256 for name, split in splits.items()}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The content of dataset.json, without the fields of masks where there are none."""
        return {"format": FORMAT, **asdict(self, dict_factory=_without_absent)}


def _without_absent(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if value is not None and value is not False}


def parse_record(content: bytes, place: str) -> DatasetRecord:
    """Parse and check dataset.json; DataError names ``place`` and the bad field."""
    try:
        return _record(parse_object(content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"no field {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{place} is damaged ({reason}): run `gptcli prepare` again") from None


def _record(value: dict[str, Any]) -> DatasetRecord:
    if value["format"] != FORMAT:
        raise ValueError(f"format {value['format']!r:.40}, expected {FORMAT!r}")
    if value["dtype"] not in ITEM_SIZES:
        raise ValueError(f"dtype {value['dtype']!r:.40}, expected uint16 or uint32")
    record = DatasetRecord(
        created=str(value["created"]),
        dtype=value["dtype"],
        vocab_size=_count(value, "vocab_size"),
        tokenizer=_sha256(value, "tokenizer"),
        source=dict(value["source"]),
        splits={name: _split(name, value["splits"][name]) for name in SPLITS},
        pairs=_flag(value, "pairs"),
        chat_template=_sha256(value, "chat_template") if "chat_template" in value else None,
        end_of_turn=_name(value, "end_of_turn") if "end_of_turn" in value else None,
    )
    if len({split.is_masked for split in record.splits.values()}) > 1:
        raise ValueError("one split has masks, the other has none")
    return record


def _split(name: str, value: dict[str, Any]) -> SplitRecord:
    shards = tuple(_shard(name, index, shard) for index, shard in enumerate(value["shards"]))
    tokens = _count(value, "tokens")
    if tokens != sum(shard.tokens for shard in shards):
        raise ValueError(f"the shards of {name} do not add up to {tokens} tokens")
    split = SplitRecord(
        tokens,
        _count(value, "characters"),
        _count(value, "bytes"),
        shards,
        documents=_count(value, "documents") if "documents" in value else 0,
        lost=_count(value, "lost") if "lost" in value else None,
        targets=_count(value, "targets") if "targets" in value else None,
        starts_sha256=_sha256(value, "starts_sha256") if "starts_sha256" in value else None,
    )
    _check_masks(name, split)
    return split


def _check_masks(name: str, split: SplitRecord) -> None:
    """Raise ValueError where some masks are missing, or a count is impossible."""
    parts = [split.targets, *(shard.mask_sha256 for shard in split.shards)]
    if any((part is not None) != split.is_masked for part in parts):
        raise ValueError(f"{name} has some of its masks only")
    if split.targets is not None and split.targets > split.tokens:
        raise ValueError(f"{name} has {split.targets} targets among {split.tokens} tokens")
    if split.is_masked and not (split.tokens > 0) <= split.documents <= split.tokens:
        raise ValueError(f"{name} has {split.documents} documents of {split.tokens} tokens")


def _shard(split: str, index: int, value: dict[str, Any]) -> Shard:
    # Only the expected name is accepted, so that a record cannot point outside its directory.
    if value["file"] != shard_file(split, index):
        raise ValueError(f"shard {value['file']!r:.40}, expected {shard_file(split, index)!r}")
    return Shard(
        value["file"],
        _count(value, "tokens", least=1),
        _sha256(value, "sha256"),
        _sha256(value, "mask_sha256") if "mask_sha256" in value else None,
    )


def _count(value: dict[str, Any], field: str, least: int = 0) -> int:
    number = value[field]
    if type(number) is not int or not least <= number < 2**53:
        raise ValueError(f"{field} is {str(number)[:40]}")
    return number


def _name(value: dict[str, Any], field: str) -> str:
    if not isinstance(value[field], str):
        raise ValueError(f"{field} is {str(value[field])[:40]}, not the name of a token")
    return str(value[field])


def _flag(value: dict[str, Any], field: str) -> bool:
    flag = value.get(field, False)
    if not isinstance(flag, bool):
        raise ValueError(f"{field} is {str(flag)[:40]}, not true or false")
    return flag


def _sha256(value: dict[str, Any], field: str) -> str:
    text = value[field]
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise ValueError(f"{field} is not a sha256")
    return text
