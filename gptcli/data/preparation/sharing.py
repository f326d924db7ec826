"""One preparation on many machines that share only a disk: plan, encode, merge.

``plan_preparation`` writes a directory beside the future dataset; each shard encodes its tasks
into parts there; ``merge`` joins them to the same bytes that ``prepare`` writes alone. A part
appears complete or not at all, and always with the same bytes, so that shards may be killed,
repeated or run twice.
"""

import contextlib
import os
import re
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from gptcli.data.dataset import Dataset
from gptcli.data.dataset_record import narrowest_dtype
from gptcli.data.preparation.assembly import DATASET, check_room, write_dataset
from gptcli.data.preparation.encode import encode_tasks
from gptcli.data.preparation.part import PART_RECORD, PartWriter, check_part
from gptcli.data.preparation.plan import Plan
from gptcli.data.preparation.plan_file import PLAN_FILE, PLAN_FORMAT, read_plan, write_plan
from gptcli.data.preparation.prepare import Preparation, part_tokens, plan_of
from gptcli.data.token_writer import SHARD_TOKENS
from gptcli.errors import DataError, ResourceError, UsageError
from gptcli.runtime.directories import sync_tree
from gptcli.runtime.escapes import typed
from gptcli.runtime.files import parse_object, put_in_place, read_bounded, reported
from gptcli.runtime.hashing import sha256_of
from gptcli.runtime.outputs import OutputKind, check_replaceable, output_directory
from gptcli.runtime.progress import Advance, Unwatched, Watch
from gptcli.runtime.world import ALONE, launched
from gptcli.tokenization.tokenizer import TOKENIZER_FILE, Tokenizer
from gptcli.tokenization.tokenizer_config import CHAT_TEMPLATE_FILE, TOKENIZER_CONFIG_FILE

_PARTS = "parts"
_SPOOL = "spool"
_SHARD = re.compile(r"(\d{1,9})/(\d{1,9})")
PLAN = OutputKind(
    "plan",
    PLAN_FILE,
    PLAN_FORMAT,
    frozenset(
        {PLAN_FILE, TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, CHAT_TEMPLATE_FILE, _PARTS, _SPOOL}
    ),
)


@dataclass(frozen=True)
class WorkShare:
    """The tasks of one process: every ``count``-th, from number ``index`` on."""

    index: int
    count: int


def parse_share(text: str) -> WorkShare:
    """Parse ``3/16``, the fourth of sixteen; ``auto`` is the share of a process of torchrun.

    Without torchrun it is that of a SLURM array task.
    """
    if text == "auto":
        world = launched()
        return _slurm_share() if world == ALONE else WorkShare(world.rank, world.size)
    match = _SHARD.fullmatch(text)
    if match is None or not int(match[1]) < int(match[2]):
        raise UsageError(
            f"--shard {text} is not a share of the work: write i/n with i from 0 to n-1, such as "
            "0/4, or auto in a SLURM array or under torchrun"
        )
    return WorkShare(int(match[1]), int(match[2]))


def _slurm_share() -> WorkShare:
    try:
        number = int(os.environ["SLURM_ARRAY_TASK_ID"])
        least = int(os.environ.get("SLURM_ARRAY_TASK_MIN", 0))
        most = int(os.environ["SLURM_ARRAY_TASK_MAX"])
        step = int(os.environ.get("SLURM_ARRAY_TASK_STEP", 1))
        share = WorkShare((number - least) // step, (most - least) // step + 1)
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise UsageError(
            f"--shard auto works only under torchrun and in a SLURM job array ({error} is missing "
            "or not a number): write --shard i/n"
        ) from None
    if not 0 <= share.index < share.count:
        raise UsageError(f"--shard auto: task {number} is outside the array {least}-{most}")
    return share


def plan_directory(directory: Path) -> Path:
    """The directory of a dataset's plan: ``data/big.plan`` for ``data/big``."""
    return directory.with_name(f"{directory.name}.plan")


def plan_preparation(
    request: Preparation, directory: Path, *, overwrite: bool = False, watch: Watch | None = None
) -> Plan:
    """Scan the corpus, and write the plan for the shards of the dataset at ``directory``."""
    watch = watch or Unwatched()
    check_replaceable(directory, overwrite, DATASET)
    place = plan_directory(directory)
    with output_directory(place, overwrite, PLAN) as building:
        spool = building / _SPOOL
        (building / _PARTS).mkdir()
        plan, tokenizer = plan_of(request, spool, watch)
        check_room(plan, tokenizer, building, watch)
        write_plan(building, _at_home(plan, building, place), tokenizer)
    return plan


def encode_share(
    directory: Path, share: WorkShare, *, workers: int = 1, watch: Watch | None = None
) -> int:
    """Encode the missing parts of a share; returns how many there were."""
    watch = watch or Unwatched()
    place = plan_directory(directory)
    plan, tokenizer = read_plan(place, workers)
    identity = _identity(place)
    mine = range(share.index, len(plan.tasks), share.count)
    missing = [number for number in mine if not _is_done(place, number, identity)]
    with watch.stage("encoding", None) as advance:
        for number in missing:
            _encode_task(place, number, plan, tokenizer, identity, advance)
    return len(missing)


def merge(
    directory: Path,
    *,
    overwrite: bool = False,
    shard_tokens: int = SHARD_TOKENS,
    watch: Watch | None = None,
) -> Dataset:
    """Join the parts into the dataset and remove the plan.

    Raises UsageError while parts are missing, with the number of the first.
    """
    watch = watch or Unwatched()
    place = plan_directory(directory)
    plan, tokenizer = read_plan(place, workers=1)
    identity = _identity(place)
    missing = [n for n in range(len(plan.tasks)) if not _is_done(place, n, identity)]
    if missing:
        raise UsageError(
            f"{len(missing):,} of the {len(plan.tasks):,} parts of {place} are missing (the first "
            f"is {missing[0]}): run the shards that make them, "
            f"gptcli prepare --out {typed(directory)} --shard i/n"
        )
    folders = [_part(place, number) for number in range(len(plan.tasks))]
    for folder in folders:
        check_part(folder)
    with output_directory(directory, overwrite, DATASET) as building:
        check_room(plan, tokenizer, building, watch)
        with watch.stage("merging", None):
            write_dataset(
                building, plan, tokenizer, part_tokens(plan, tokenizer, folders), shard_tokens
            )
    shutil.rmtree(place, ignore_errors=True)
    return Dataset.open(directory)


def _encode_task(
    place: Path, number: int, plan: Plan, tokenizer: Tokenizer, identity: str, advance: Advance
) -> None:
    """Encode one part under a temporary name; the first process that is done renames it."""
    part = _part(place, number)
    building = part.with_name(f".tmp-{part.name}-{secrets.token_hex(4)}")
    with reported(part):
        building.mkdir(parents=True)
        try:
            dtype = narrowest_dtype(tokenizer.vocab_size)
            with PartWriter(building, dtype, plan.scan.is_masked) as writer:
                for encoded in encode_tasks(plan, tokenizer, [plan.tasks[number]], advance):
                    for split, tokens in encoded.items():
                        writer.write(split, tokens)
                writer.close(identity)
            sync_tree(building)
            with contextlib.suppress(OSError):
                put_in_place(building, part)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    if not _is_done(place, number, identity):
        raise ResourceError(f"{part} is in the way of a part: remove it and run the shard again")


def _part(place: Path, number: int) -> Path:
    return place / _PARTS / f"{number:06d}"


def _is_done(place: Path, number: int, identity: str) -> bool:
    try:
        record = parse_object(read_bounded(_part(place, number) / PART_RECORD))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise DataError(
            f"{_part(place, number)} is damaged ({error}): remove it and run the shard again"
        ) from None
    return record.get("plan") == identity


def _identity(place: Path) -> str:
    return sha256_of(place / PLAN_FILE)


def _at_home(plan: Plan, building: Path, place: Path) -> Plan:
    """The plan with the final paths of copied inputs, after the directory is renamed."""
    building, place = building.resolve(), place.resolve()
    inputs = tuple(
        replace(one, path=place / one.path.relative_to(building))
        if one.path.is_relative_to(building)
        else one
        for one in plan.corpus.inputs
    )
    return replace(plan, corpus=replace(plan.corpus, inputs=inputs))
