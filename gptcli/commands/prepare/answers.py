"""The answers of ``prepare``: a dataset, a plan, a shard, a check, the built-in sources."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.table_layout import to_text
from gptcli.commands.view.tables import Cell, Figure, Table, facts
from gptcli.commands.view.terminal import escape_controls, note, verbosity
from gptcli.config.checks import counted
from gptcli.data.chat.chat_template import BUILT_IN_TEMPLATE
from gptcli.data.corpus.sources import BUILT_IN_SOURCES
from gptcli.data.dataset import Dataset
from gptcli.data.preparation.plan import Plan
from gptcli.data.preparation.sharing import WorkShare
from gptcli.data.preparation.verify import Verified
from gptcli.runtime.escapes import typed
from gptcli.tokenization.tokenizer_config import CHAT_TEMPLATE_FILE

if TYPE_CHECKING:
    from rich.text import Text

Facts = list[tuple[str, Cell]]


def dataset_answer(dataset: Dataset, is_newest_place: bool, model: str | None = None) -> Answer:
    """A new dataset.

    ``is_newest_place``: whether ``train`` finds it without --data; ``model``: the model whose
    tokenizer it has, if any, which chats and pairs fine-tune.
    """
    train = "gptcli train" if is_newest_place else f"gptcli train --data {typed(dataset.directory)}"
    if model is not None and dataset.record.end_of_turn is not None:
        objective = " --objective reward" if dataset.record.pairs else ""
        train = f"{train}{objective} --init-from {typed(model)}"
    rows = [*_source_facts(dataset), *_token_facts(dataset), *_chat_facts(dataset)]
    table = facts(str(dataset.directory), rows)
    return Answer(
        "gptcli.prepared/1",
        lambda: _dataset_document(dataset),
        [table],
        drawing=partial(_detailed, dataset, table) if verbosity().verbose else None,
        after=lambda: note(f"next: {_next_step(dataset, train)}"),
    )


def _detailed(dataset: Dataset, table: Table, canvas: Canvas) -> "Iterator[Text | str]":
    """The summary, and the first document that a model will see."""
    from gptcli.commands.prepare.first_document import (  # noqa: PLC0415  rich, for styles
        first_document,
    )

    yield to_text([table], canvas.width, canvas.in_colour).rstrip("\n")
    yield from first_document(dataset, canvas)


def _next_step(dataset: Dataset, train: str) -> str:
    """The command that trains on a dataset, if it has anything to learn from."""
    tokens = dataset.train.n_tokens
    if tokens < 2:
        return f"prepare more text: {tokens} training token is too little to learn from"
    return train


def plan_answer(directory: Path, place: Path, plan: Plan) -> Answer:
    """A plan's place and number of parts; a terminal shows the place alone."""
    n_parts = len(plan.tasks)
    return Answer(
        "gptcli.planned/1",
        lambda: {"directory": str(place), "parts": n_parts},
        [facts(str(place), [("parts", n_parts)])],
        drawing=lambda _: [escape_controls(str(place))],
        after=lambda: note(
            f"parts to encode: {n_parts}, in up to {n_parts} shards at once; next, for each i "
            f"below n: gptcli prepare --out {typed(directory)} --shard i/n; then: "
            f"gptcli prepare --out {typed(directory)} --merge"
        ),
    )


def shard_answer(share: WorkShare, done: int) -> Answer:
    """The parts that a shard has encoded; a terminal shows the note alone."""
    name = f"shard {share.index}/{share.count}"
    return Answer(
        "gptcli.shard/1",
        lambda: {"index": share.index, "count": share.count, "parts": done},
        [facts(name, [("parts encoded", done)])],
        drawing=lambda _: (),
        after=lambda: note(f"{name}: parts encoded: {done}"),
    )


def verified_answer(result: Verified) -> Answer:
    """The result of a check that found no damage."""
    place = str(result.directory)
    sizes = f"{result.files:,} files, {result.bytes:,} bytes"
    return Answer(
        "gptcli.verified/1",
        lambda: {"directory": place, "files": result.files, "bytes": result.bytes},
        [facts(place, [("files", result.files), ("bytes", result.bytes)])],
        drawing=lambda _: [escape_controls(f"{place} is intact: {sizes}")],
    )


def sources_answer() -> Answer:
    """The built-in sources."""
    about = {name: source.about for name, source in BUILT_IN_SOURCES.items()}
    table = Table("", ("source", "about"), tuple(about.items()), has_header=False)
    return Answer("gptcli.sources/1", lambda: {"sources": about}, [table])


def _dataset_document(dataset: Dataset) -> Document:
    record = dataset.record.to_json()
    del record["format"]
    around = {"around_documents": _around(dataset)} if dataset.tokenizer.template else {}
    longest = {"longest_document": _longest(dataset)} if dataset.record.is_masked else {}
    return {
        "directory": str(dataset.directory),
        **record,
        **around,
        **longest,
        "identity": dataset.identity,
    }


def _longest(dataset: Dataset) -> int:
    """The number of tokens in the longest document of a masked dataset."""
    return max(dataset.split(name).longest_document for name in dataset.record.splits)


def _chat_facts(dataset: Dataset) -> Facts:
    """What is known of documents with answers: their length, their template and their end."""
    if not dataset.record.is_masked:
        return []
    longest, record = _longest(dataset), dataset.record
    rows: Facts = [("longest", Figure(longest, f"{counted(longest, 'token')} in one document"))]
    if record.end_of_turn is None:
        return rows
    if record.chat_template is not None:
        is_ours = dataset.tokenizer.chat_template == BUILT_IN_TEMPLATE
        place = dataset.directory / CHAT_TEMPLATE_FILE
        rows.append(("template", "built-in" if is_ours else place.as_posix()))
    return [*rows, ("answers end", f"with {record.end_of_turn}")]


def _around(dataset: Dataset) -> dict[str, list[str]]:
    """The special tokens of the tokenizer's makers, before and after each document."""
    template, piece = dataset.tokenizer.template, dataset.tokenizer.piece
    return {"before": [*map(piece, template.before)], "after": [*map(piece, template.after)]}


def _source_facts(dataset: Dataset) -> Facts:
    source = dataset.source
    rows: Facts = [("source", str(source["name"]))]
    if source["documents"] > 1:
        rows.append(("documents", source["documents"]))
    rows += [("characters", source["characters"]), ("bytes", source["bytes"])]
    if replaced := source["replaced"]:
        rows.append(("replaced", Figure(replaced, f"{replaced:,} sequences that were not UTF-8")))
    if left_out := source["left_out"]:
        rows.append(("left out", Figure(left_out, f"{left_out:,} bad records")))
    return rows


def _token_facts(dataset: Dataset) -> Facts:
    kind, dtype = dataset.tokenizer.kind, dataset.record.dtype
    tokens = sum(split.tokens for split in dataset.record.splits.values())
    ratio = dataset.source["bytes"] / max(tokens, 1)
    lost = sum(split.lost or 0 for split in dataset.record.splits.values())
    share = lost / max(dataset.source["characters"], 1)
    shown = f"{lost:,} characters ({share:.2%}) that the tokens do not restore"
    return [
        ("vocabulary", Figure(dataset.vocab_size, f"{dataset.vocab_size:,} ({kind}, {dtype})")),
        *_template_facts(dataset),
        *((name, _tokens(dataset, name)) for name in dataset.record.splits),
        ("ratio", Figure(ratio, f"{ratio:.2f} bytes per token")),
        *([("lost", Figure(lost, shown))] if lost else []),
    ]


def _template_facts(dataset: Dataset) -> Facts:
    listed = [f"{' '.join(names)} {place} it" for place, names in _around(dataset).items() if names]
    return [("each document", f"has {' and '.join(listed)}")] if listed else []


def _tokens(dataset: Dataset, split: str) -> Figure:
    record = dataset.record.splits[split]
    parts = [f"{record.tokens:,} tokens"]
    if dataset.source["split_by"] == "document":
        parts.append(counted(record.documents, "pair" if dataset.record.pairs else "document"))
    if record.targets is not None:
        share = record.targets / max(record.tokens, 1)
        parts.append(f"{record.targets:,} count in the loss ({share:.0%})")
    return Figure(record.tokens, ", ".join(parts))
