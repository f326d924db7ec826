"""What ``prepare`` says of a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptcli.commands.view.terminal import escape_controls

if TYPE_CHECKING:
    from gptcli.data.dataset import Dataset
    from gptcli.data.preparation.plan import Plan
    from gptcli.data.preparation.sharing import WorkShare
    from gptcli.data.preparation.verify import Verified


def as_json(dataset: "Dataset") -> str:
    """Its record, as one document."""
    import json

    record = dataset.record.to_json()
    del record["format"]
    answer = {"schema": "gptcli.prepared/1", "directory": str(dataset.directory), **record}
    return json.dumps({**answer, "identity": dataset.identity}, indent=2)


def summary(dataset: "Dataset") -> str:
    """Its sizes, for people."""
    rows = [*_source_rows(dataset), *_token_rows(dataset)]
    return "\n".join(
        [
            escape_controls(str(dataset.directory)),
            *(f"  {k:<12}{escape_controls(v)}" for k, v in rows),
        ]
    )


def _source_rows(dataset: "Dataset") -> list[tuple[str, str]]:
    source = dataset.source
    rows = [("source", str(source["name"]))]
    if source["documents"] > 1:
        rows.append(("documents", f"{source['documents']:,}"))
    rows.append(("characters", f"{source['characters']:,}"))
    rows.append(("bytes", f"{source['bytes']:,}"))
    if source["replaced"]:
        rows.append(("replaced", f"{source['replaced']:,} sequences that were not UTF-8"))
    if source["left_out"]:
        rows.append(("left out", f"{source['left_out']:,} bad records"))
    return rows


def _token_rows(dataset: "Dataset") -> list[tuple[str, str]]:
    kind, dtype = dataset.tokenizer.kind, dataset.record.dtype
    tokens = sum(split.tokens for split in dataset.record.splits.values())
    ratio = dataset.source["bytes"] / max(tokens, 1)
    return [
        ("vocabulary", f"{dataset.vocab_size:,} ({kind}, {dtype})"),
        *((name, _tokens(dataset, name)) for name in dataset.record.splits),
        ("ratio", f"{ratio:.2f} bytes per token"),
    ]


def _tokens(dataset: "Dataset", split: str) -> str:
    record = dataset.record.splits[split]
    parts = [f"{record.tokens:,} tokens"]
    if dataset.source["split_by"] == "document":
        parts.append(f"{record.documents:,} document{'s' * (record.documents != 1)}")
    if record.targets is not None:
        parts.append(f"the loss counts on {record.targets:,}")
    return ", ".join(parts)


def verified(result: "Verified", json: bool) -> str:
    """What was checked and found good."""
    answer: dict[str, Any] = {
        "schema": "gptcli.verified/1",
        "directory": str(result.directory),
        "files": result.files,
        "bytes": result.bytes,
    }
    if json:
        from json import dumps

        return dumps(answer, indent=2)
    return escape_controls(
        f"{result.directory} is as it was written: {result.files:,} files, {result.bytes:,} bytes"
    )


def planned(place: Path, plan: "Plan", json: bool) -> str:
    """Where a plan is and, as JSON, into how many parts it divides the work."""
    if not json:
        return escape_controls(str(place))
    from json import dumps

    answer = {"schema": "gptcli.planned/1", "directory": str(place), "parts": len(plan.tasks)}
    return dumps(answer, indent=2)


def shard_done(share: "WorkShare", done: int) -> str:
    """What a process has done of a plan, as JSON."""
    from json import dumps

    answer = {"schema": "gptcli.shard/1", "index": share.index, "count": share.count}
    return dumps({**answer, "parts": done}, indent=2)


def listed_sources(json: bool) -> str:
    """The built-in sources, one a line."""
    from gptcli.data.corpus.sources import BUILT_IN_SOURCES

    if json:
        from json import dumps

        about = {name: source.about for name, source in BUILT_IN_SOURCES.items()}
        return dumps({"schema": "gptcli.sources/1", "sources": about}, indent=2)
    return "\n".join(f"{name:<13}{source.about}" for name, source in BUILT_IN_SOURCES.items())
