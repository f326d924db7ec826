"""The plan of a preparation: everything that decides the dataset's bytes, and its tasks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gptcli.config.data import PrepareConfig, ReadOptions, SplitBy
from gptcli.data.corpus.chunks import Chunk, Reader
from gptcli.data.corpus.inputs import Corpus
from gptcli.data.corpus.reading import open_readers
from gptcli.data.preparation.division import Division, choose_split, divide
from gptcli.data.preparation.encode import ChunkEncoder
from gptcli.data.preparation.scan import Scan, scan_corpus
from gptcli.data.preparation.tokenizer_choice import (
    TokenizerChoice,
    ready_tokenizer,
    scanned_tokenizer,
)
from gptcli.data.token_writer import EncodedTokens
from gptcli.errors import UsageError
from gptcli.runtime.progress import Advance, Watch
from gptcli.runtime.threads import ordered_map
from gptcli.tokenization.cuts import Cuts, cuts_of
from gptcli.tokenization.tokenizer import Tokenizer


@dataclass(frozen=True)
class Task:
    """A range of one input, encoded independently; ``end`` None is the end of the input."""

    input: int
    start: int
    end: int | None


@dataclass(frozen=True)
class Plan:
    """What to encode, and how."""

    corpus: Corpus
    read: ReadOptions
    config: PrepareConfig
    scan: Scan
    split_by: SplitBy
    division: Division
    tasks: tuple[Task, ...]


def make_plan(
    corpus: Corpus, choice: TokenizerChoice, read: ReadOptions, config: PrepareConfig, watch: Watch
) -> tuple[Plan, Tokenizer]:
    """Scan the corpus, make the tokenizer unless there is one, and divide the work."""
    if config.shuffle and not corpus.is_collection:
        raise UsageError(
            f"--shuffle orders documents anew, {corpus.title} is one text: leave it out"
        )
    if corpus.n_skipped:
        watch.note(f"{corpus.n_skipped:,} files left out: they hold no text")
    tokenizer = ready_tokenizer(corpus, choice, read, watch)
    readers = open_readers(
        corpus.inputs, read, Cuts.ANYWHERE if tokenizer is None else cuts_of(tokenizer)
    )
    size = sum(reader.expected_bytes() for reader in readers)
    with watch.stage("reading", size) as advance:
        scan = scan_corpus(
            corpus.title,
            readers,
            skip_bad=config.skip_bad,
            with_alphabet=tokenizer is None,
            advance=advance,
        )
    if tokenizer is None:
        tokenizer = scanned_tokenizer(choice, scan, corpus.is_collection)
    split_by = choose_split(config.split_by, corpus.is_collection, scan.documents)
    if config.split_by is None and split_by is SplitBy.TEXT and scan.documents > 1:
        watch.note(
            f"{scan.documents:,} documents are too few to divide: the validation split is the end "
            "of the text"
        )
    division = divide(readers, scan, split_by, config)
    tasks = tuple(_tasks(readers, division))
    plan = Plan(corpus, read, config, replace(scan, marks=()), split_by, division, tasks)
    return plan, tokenizer


def encode_tasks(
    plan: Plan, tokenizer: Tokenizer, tasks: Sequence[Task], advance: Advance
) -> Iterator[dict[str, EncodedTokens]]:
    """Encode these tasks in order, by split, on several threads where that is faster."""
    readers = open_readers(plan.corpus.inputs, plan.read, cuts_of(tokenizer))
    encoder = ChunkEncoder(tokenizer, plan.division, plan.scan.is_masked, plan.corpus.is_collection)

    def chunks() -> Iterator[tuple[int, Reader, Chunk]]:
        for task in tasks:
            reader = readers[task.input]
            for chunk in reader.chunks(task.start, task.end):
                yield task.input, reader, chunk

    def encode(item: tuple[int, Reader, Chunk]) -> tuple[int, dict[str, EncodedTokens]]:
        return item[2].n_bytes, encoder.encode(*item)

    workers = plan.config.workers if encoder.gains_from_threads else 1
    for n_bytes, encoded in ordered_map(encode, chunks(), workers):
        advance(n_bytes)
        yield encoded


def _tasks(readers: Sequence[Reader], division: Division) -> Iterator[Task]:
    """The ranges of the inputs; the one in which val begins is divided there."""
    cut = division.cut
    for number, reader in enumerate(readers):
        for start, end in reader.ranges():
            inside = cut is not None and cut.input == number and start < cut.offset
            if cut is not None and inside and (end is None or cut.offset < end):
                yield Task(number, start, cut.offset)
                yield Task(number, cut.offset, end)
            else:
                yield Task(number, start, end)
