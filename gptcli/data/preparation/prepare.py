"""Preparing a dataset from a corpus in one process."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gptcli.config.data import SPLITS, ArithmeticOptions, PrepareConfig, ReadOptions
from gptcli.data.corpus.finding import find_corpus
from gptcli.data.corpus.recognition import look_into
from gptcli.data.dataset import Dataset, read_record
from gptcli.data.dataset_record import narrowest_dtype
from gptcli.data.preparation.assembly import DATASET, check_room, write_dataset
from gptcli.data.preparation.chats import TemplateFile, TokenizerChoice
from gptcli.data.preparation.encode import encode_tasks
from gptcli.data.preparation.part import PartTokens, PartWriter, in_order, shuffled
from gptcli.data.preparation.plan import Plan, make_plan
from gptcli.data.token_writer import SHARD_TOKENS, EncodedTokens
from gptcli.runtime.outputs import output_directory
from gptcli.runtime.progress import Unwatched, Watch
from gptcli.tokenization.kinds import TokenizerSpec
from gptcli.tokenization.tokenizer import Tokenizer

_SPOOL = ".spool"
_UNSHUFFLED = ".unshuffled"


@dataclass(frozen=True)
class Preparation:
    """The sources of a dataset, its tokenizer, and all options."""

    sources: Sequence[str]
    tokenizer: TokenizerChoice = field(default_factory=lambda: TokenizerSpec("char"))
    read: ReadOptions = field(default_factory=ReadOptions)
    config: PrepareConfig = field(default_factory=PrepareConfig)
    arithmetic: ArithmeticOptions = field(default_factory=ArithmeticOptions)
    chat_template: TemplateFile | None = None


def prepare(
    request: Preparation,
    directory: Path,
    *,
    overwrite: bool = False,
    shard_tokens: int = SHARD_TOKENS,
    watch: Watch | None = None,
) -> Dataset:
    """Encode a corpus into a new dataset at ``directory``.

    The directory appears complete or not at all. Raises ResourceError if another process is
    writing it, or if the dataset will not fit on the disk.
    """
    watch = watch or Unwatched()
    with output_directory(directory, overwrite, DATASET) as building:
        spool = building / _SPOOL
        plan, tokenizer = plan_of(request, spool, watch)
        check_room(plan, tokenizer, building, watch)
        with watch.stage("encoding", plan.scan.bytes) as advance:
            tokens = encode_tasks(plan, tokenizer, plan.tasks, advance)
            if plan.config.shuffle:
                tokens = _shuffled(building / _UNSHUFFLED, plan, tokenizer, tokens)
            write_dataset(building, plan, tokenizer, tokens, shard_tokens)
        shutil.rmtree(spool)
    return Dataset(directory, read_record(directory), tokenizer)


def plan_of(request: Preparation, spool: Path, watch: Watch) -> tuple[Plan, Tokenizer]:
    """Find the sources and plan their preparation; copies of stdin and pipes go to ``spool``.

    ``spool`` is made here. Raises what ``find_corpus``, ``look_into`` and ``make_plan`` do.
    """
    spool.mkdir()
    found = find_corpus(request.sources, spool, request.arithmetic)
    corpus = look_into(found, request.sources, request.read, spool, watch)
    return make_plan(
        corpus, request.tokenizer, request.read, request.config, watch, request.chat_template
    )


def part_tokens(
    plan: Plan, tokenizer: Tokenizer, folders: Sequence[Path]
) -> Iterator[dict[str, EncodedTokens]]:
    """The tokens of all parts, in the plan's order or shuffled."""
    for split in SPLITS:
        parts = PartTokens.open(folders, split, tokenizer.vocab_size, plan.scan.is_masked)
        ordered = (
            shuffled(parts, split, plan.config.seed) if plan.config.shuffle else in_order(parts)
        )
        for encoded in ordered:
            yield {split: encoded}


def _shuffled(
    folder: Path, plan: Plan, tokenizer: Tokenizer, tokens: Iterator[dict[str, EncodedTokens]]
) -> Iterator[dict[str, EncodedTokens]]:
    folder.mkdir()
    dtype = narrowest_dtype(tokenizer.vocab_size)
    with PartWriter(folder, dtype, plan.scan.is_masked) as writer:
        for encoded in tokens:
            for split, part in encoded.items():
                writer.write(split, part)
        writer.close("")
    yield from part_tokens(plan, tokenizer, [folder])
    shutil.rmtree(folder)
