"""What ``prepare`` does once its flags are known to make sense."""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from gptcli.commands.prepare.summary import as_json, planned, shard_done, summary
from gptcli.commands.tokenizer_choices import tokenizer_choice
from gptcli.commands.view.legacy import deliver
from gptcli.commands.view.progress import progress
from gptcli.commands.view.terminal import note
from gptcli.config.checks import check_choice
from gptcli.config.data import ArithmeticOptions, PrepareConfig, SplitBy
from gptcli.data.corpus.inputs import corpus_name
from gptcli.data.corpus.reading import ReadOptions
from gptcli.data.corpus.sources import BUILT_IN_SOURCES, STDIN
from gptcli.data.corpus.utf8 import ERRORS
from gptcli.data.dataset import DATASETS, Dataset
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.data.preparation.sharing import (
    encode_share,
    merge,
    parse_share,
    plan_directory,
    plan_preparation,
)
from gptcli.errors import UsageError
from gptcli.runtime.outputs import output_path
from gptcli.runtime.progress import Advance
from gptcli.runtime.threads import available_cores

_SPLITS = tuple(split.value for split in SplitBy)


class TerminalWatch:
    """Shows stages as progress and says notes."""

    def stage(self, label: str, n_bytes: int | None) -> AbstractContextManager[Advance]:
        """Progress in bytes."""
        return progress(label, n_bytes, "bytes")

    def note(self, message: str) -> None:
        """Say it on stderr."""
        note(message)


def request_of(given: Mapping[str, Any]) -> Preparation:
    """What the flags ask for; UsageError where they cannot go together."""
    if not given["source"]:
        raise UsageError("nothing to prepare: name a text file, as in gptcli prepare input.txt")
    check_choice("errors", given["errors"], ERRORS)
    if given["split_by"] is not None:
        check_choice("split_by", given["split_by"], _SPLITS)
    for source in given["source"]:
        _say(source)
    return Preparation(
        sources=given["source"],
        tokenizer=tokenizer_choice(
            given["tokenizer"],
            vocab_size=given["vocab_size"],
            pattern=given["pattern"],
            unk=given["unk"],
            special_tokens=tuple(given["special_token"] or ()),
        ),
        read=ReadOptions(given["errors"], given["field"]),
        config=PrepareConfig(
            val_fraction=given["val_fraction"],
            split_by=SplitBy(given["split_by"]) if given["split_by"] else None,
            shuffle=given["shuffle"],
            seed=given["seed"],
            skip_bad=given["skip_bad"],
            workers=_workers(given["workers"]),
        ),
        arithmetic=ArithmeticOptions(
            digits=given["digits"],
            reverse=given["reverse"],
            count=given["count"],
            seed=given["seed"],
        ),
    )


def prepare_now(request: Preparation, out: Path | None, overwrite: bool, json: bool) -> None:
    """Prepare in one go."""
    directory = output_path(out, DATASETS, corpus_name(request.sources), overwrite)
    dataset = prepare(request, directory, overwrite=overwrite, watch=TerminalWatch())
    _report(dataset, json, is_newest_place=out is None)


def plan(request: Preparation, out: Path | None, overwrite: bool, json: bool) -> None:
    """Write the plan, and say how to go on."""
    directory = output_path(out, DATASETS, corpus_name(request.sources), overwrite)
    made = plan_preparation(request, directory, overwrite=overwrite, watch=TerminalWatch())
    deliver(planned(plan_directory(directory), made, json), None)
    n_parts = len(made.tasks)
    note(
        f"parts to encode: {n_parts}, in up to {n_parts} shards at once; next, for each i below n: "
        f"gptcli prepare --out {directory} --shard i/n; then: gptcli prepare --out {directory} "
        "--merge"
    )


def encode_shard(out: Path, shard: str, workers: int | None, json: bool) -> None:
    """Do one share of a plan."""
    share = parse_share(shard)
    done = encode_share(out, share, workers=_workers(workers), watch=TerminalWatch())
    if json:
        deliver(shard_done(share, done), None)
    note(f"shard {share.index}/{share.count}: parts encoded: {done}")


def merge_shards(out: Path, overwrite: bool, json: bool) -> None:
    """Join the parts of a plan."""
    dataset = merge(out, overwrite=overwrite, watch=TerminalWatch())
    _report(dataset, json, is_newest_place=out.parent == DATASETS)


def _workers(asked: int | None) -> int:
    return available_cores() if asked is None else asked


def _report(dataset: Dataset, json: bool, is_newest_place: bool) -> None:
    deliver(as_json(dataset) if json else summary(dataset), None)
    train = "gptcli train" if is_newest_place else f"gptcli train --data {dataset.directory}"
    note(f"next: {train}")


def _say(source: str) -> None:
    if source in BUILT_IN_SOURCES:
        note(f"reading {BUILT_IN_SOURCES[source].about}")
        if Path(source).is_file():
            note(f"{source} names the built-in text: for the file here write ./{source}")
    elif source == STDIN and sys.stdin.isatty():
        note("reading text from the terminal: end it with Ctrl-D")
