"""plan.json: writing a plan, and reading it in another process."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gptcli.config.data import PrepareConfig, ReadOptions, SplitBy
from gptcli.data.chat.contents import CorpusKind
from gptcli.data.corpus.inputs import Corpus, TextInput
from gptcli.data.preparation.chats import corpus_kind
from gptcli.data.preparation.division import Cut, Division
from gptcli.data.preparation.plan import Plan, Task
from gptcli.data.preparation.scan import Scan
from gptcli.errors import CheckpointError, DataError, UsageError
from gptcli.runtime.files import parse_object, read_bounded, write_json
from gptcli.tokenization.tokenizer import TOKENIZER_FILE, Tokenizer, write_tokenizer

PLAN_FILE = "plan.json"
PLAN_FORMAT = "gptcli.plan/1"
_LARGEST = 2**30  # bytes: one line for each of some millions of inputs


def write_plan(folder: Path, plan: Plan, tokenizer: Tokenizer) -> None:
    """Write the plan and its tokenizer into ``folder``."""
    write_tokenizer(folder, tokenizer)
    write_json(folder / PLAN_FILE, _to_json(plan, tokenizer))


def read_plan(folder: Path, workers: int) -> tuple[Plan, Tokenizer]:
    """Read what ``write_plan`` wrote, to be encoded by ``workers`` threads.

    Raises UsageError where there is no plan, DataError where it is damaged.
    """
    file = folder / PLAN_FILE
    try:
        value = parse_object(read_bounded(file, _LARGEST))
        plan = _from_json(value)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"no plan at {file}: make one with gptcli prepare --plan and the same --out"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is damaged ({error}): plan again with --overwrite") from None
    try:
        tokenizer = Tokenizer.load(folder / TOKENIZER_FILE)
    except (UsageError, CheckpointError) as error:
        raise DataError(f"{folder} is damaged ({error}): plan again with --overwrite") from None
    if not tokenizer.has_identity(value["tokenizer"]):
        raise DataError(f"{folder / TOKENIZER_FILE} is not the plan's: plan again with --overwrite")
    return replace(plan, config=replace(plan.config, workers=workers)), tokenizer


def _to_json(plan: Plan, tokenizer: Tokenizer) -> dict[str, Any]:
    corpus, cut = plan.corpus, plan.division.cut
    return {
        "format": PLAN_FORMAT,
        "tokenizer": tokenizer.identity,
        "corpus": {
            "inputs": [one.to_json() for one in corpus.inputs],
            "is_collection": corpus.is_collection,
            "name": corpus.name,
            "title": corpus.title,
            "n_skipped": corpus.n_skipped,
        },
        "read": asdict(plan.read),
        "config": asdict(plan.config),
        "scan": asdict(plan.scan),
        "kind": plan.kind,
        "split_by": plan.split_by,
        "cut": None if cut is None else [cut.input, cut.offset],
        "tasks": [[task.input, task.start, task.end] for task in plan.tasks],
    }


def _from_json(value: Mapping[str, Any]) -> Plan:
    if value["format"] != PLAN_FORMAT:
        raise ValueError(f"format {value['format']!r}, expected {PLAN_FORMAT!r}")
    if not isinstance(value["tokenizer"], str):
        raise TypeError("tokenizer is not a string")
    corpus, scan, config = value["corpus"], value["scan"], value["config"]
    inputs = tuple(TextInput.from_json(one) for one in corpus["inputs"])
    known_corpus, read = Corpus(**{**corpus, "inputs": inputs}), ReadOptions(**value["read"])
    split_by = config["split_by"]
    before = {"allow_unknown": True}  # plans of earlier versions allowed any loss
    asked = None if split_by is None else SplitBy(split_by)
    known = PrepareConfig(**{**before, **config, "split_by": asked})
    cut = value["cut"]
    if "kind" not in value and scan["is_masked"] and corpus_kind(known_corpus, read).has_turns:
        raise ValueError("it is of an earlier version, which wrote chats in another way")
    return Plan(
        corpus=known_corpus,
        read=read,
        config=known,
        scan=Scan(**{**scan, "marks": ()}),
        split_by=SplitBy(value["split_by"]),
        division=Division(known.val_fraction, None if cut is None else Cut(*cut)),
        tasks=tuple(_task(one, len(inputs)) for one in value["tasks"]),
        kind=CorpusKind(value.get("kind", CorpusKind.TEXT)),
    )


def _task(value: list[Any], n_inputs: int) -> Task:
    number, start, end = value
    if not 0 <= number < n_inputs:
        raise ValueError(f"a task of input {number}, there are {n_inputs}")
    return Task(number, start, end)
