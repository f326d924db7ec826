"""The plan of a preparation: everything that decides the dataset's bytes, and its tasks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gptcli.config.checks import counted
from gptcli.config.data import PrepareConfig, ReadOptions, SplitBy
from gptcli.data.chat.chat_template import BUILT_IN
from gptcli.data.chat.contents import CorpusKind, RecordShape
from gptcli.data.corpus.chunks import Reader
from gptcli.data.corpus.inputs import Corpus, DocumentLayout
from gptcli.data.corpus.reading import open_readers, sample_texts
from gptcli.data.preparation.chats import (
    TemplateFile,
    TokenizerChoice,
    corpus_kind,
    prepared_choice,
    shape_of,
)
from gptcli.data.preparation.division import Division, choose_split, divide
from gptcli.data.preparation.lost_text import check_sample
from gptcli.data.preparation.scan import Scan, scan_corpus
from gptcli.errors import UsageError
from gptcli.runtime.progress import Watch
from gptcli.tokenization.kinds import END_OF_TEXT, TokenizerSpec
from gptcli.tokenization.splits import Cuts, cuts_of
from gptcli.tokenization.text_loss import is_made_here
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.tokenizer_config import TOKENIZER_CONFIG_FILE
from gptcli.tokenization.trainer import character_tokenizer, train_tokenizer


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
    kind: CorpusKind = CorpusKind.TEXT


def make_plan(
    corpus: Corpus,
    choice: TokenizerChoice,
    read: ReadOptions,
    config: PrepareConfig,
    watch: Watch,
    chat_template: TemplateFile | None = None,
) -> tuple[Plan, Tokenizer]:
    """Scan the corpus, make the tokenizer unless there is one, and divide the work.

    ``chat_template`` writes the turns of chats; None: that of the tokenizer, or the built-in one.
    """
    if config.shuffle and not corpus.is_collection:
        raise UsageError(
            f"--shuffle reorders documents, but {corpus.title} is one text: leave it out"
        )
    if config.skip_bad and all(one.layout is DocumentLayout.TEXT for one in corpus.inputs):
        raise UsageError(
            f"--skip-bad works with records, but {corpus.title} is plain text: leave it out"
        )
    if corpus.n_skipped:
        is_one = corpus.n_skipped == 1
        watch.note(
            f"{counted(corpus.n_skipped, 'file')} left out: "
            f"{'it holds' if is_one else 'they hold'} no text"
        )
    kind = corpus_kind(corpus, read)
    choice, template = prepared_choice(kind, choice, chat_template)
    shape = RecordShape(kind, template or BUILT_IN)
    text = None if template is None else template.text
    tokenizer = _ready_tokenizer(corpus, choice, read, shape, watch)
    if tokenizer is not None:
        tokenizer = tokenizer.with_chat_template(text)
        shape = shape_of(kind, tokenizer)
    cuts = Cuts.ANYWHERE if tokenizer is None else cuts_of(tokenizer)
    readers = open_readers(corpus.inputs, read, cuts, shape)
    size = sum(reader.expected_bytes() for reader in readers)
    with watch.stage("reading", size) as advance:
        scan = scan_corpus(
            corpus.title,
            readers,
            skip_bad=config.skip_bad,
            with_alphabet=tokenizer is None,
            advance=advance,
            note=watch.note,
        )
    if tokenizer is None:
        tokenizer = _scanned_tokenizer(choice, scan, corpus.is_collection)
        tokenizer = tokenizer.with_chat_template(text)
    is_allowed = config.allow_unknown or is_made_here(tokenizer)
    if isinstance(choice, Tokenizer):
        check_sample(corpus.title, readers, tokenizer, is_allowed, watch.note)
    config = replace(config, allow_unknown=is_allowed or not isinstance(choice, Tokenizer))
    if not kind.has_turns:
        _tell_of_ends(corpus, tokenizer, choice, scan, watch)
    split_by = choose_split(config.split_by, corpus.is_collection, scan.documents)
    is_cut = split_by is SplitBy.TEXT and scan.documents > 1 and config.val_fraction > 0
    if config.split_by is None and is_cut:
        watch.note(
            f"{scan.documents:,} documents are too few to divide: the validation split is the end "
            "of the text"
        )
    division = divide(readers, scan, split_by, config)
    tasks = tuple(_tasks(readers, division))
    plan = Plan(corpus, read, config, replace(scan, marks=()), split_by, division, tasks, kind)
    return plan, tokenizer


def _tell_of_ends(
    corpus: Corpus, tokenizer: Tokenizer, choice: TokenizerChoice, scan: Scan, watch: Watch
) -> None:
    """Note where documents have no end, and which special tokens the dataset will not have."""
    if corpus.is_collection and tokenizer.end_of_text is None:
        lost = "so answers never end" if scan.is_masked else "so a model never learns to end one"
        watch.note(
            f"nothing separates the {scan.documents:,} documents, {lost}: the tokenizer has no "
            f"end-of-text token. To get one, name a special token of it as "
            f'"eos_token" in a {TOKENIZER_CONFIG_FILE} beside it, or make another tokenizer '
            "(prepare without --tokenizer gives it one)"
        )
    asked = choice.special_tokens if isinstance(choice, TokenizerSpec) else ()
    end = tokenizer.end_of_text
    ends = set() if end is None else {tokenizer.piece(end)}
    absent = set(asked) - ends
    if not corpus.is_collection and end not in tokenizer.template.after:
        absent |= ends
    if absent:
        verb, them = ("does", "it") if len(absent) == 1 else ("do", "them")
        watch.note(
            f"{', '.join(sorted(absent))} {verb} not occur in the dataset, so no model learns to "
            f"use {them}: text never becomes a special token, and only the documents of a "
            "collection get an end"
        )


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


def _ready_tokenizer(
    corpus: Corpus, choice: TokenizerChoice, read: ReadOptions, shape: RecordShape, watch: Watch
) -> Tokenizer | None:
    """The chosen tokenizer, trained on a sample of the corpus if necessary.

    None for characters, which are known after the corpus has been scanned.
    """
    if isinstance(choice, Tokenizer):
        for text in choice.notes:
            watch.note(text)
        return choice
    if choice.kind == "char":
        return None
    specials = choice.special_tokens
    if choice.kind != "byte" or corpus.is_collection:
        specials = _with_end(specials)
    spec = replace(choice, special_tokens=specials)
    sample = sample_texts(open_readers(corpus.inputs, read, Cuts.WORDS, shape))
    if sample.every > 1:
        watch.note(
            f"the tokenizer learns from {sample.n_bytes / 2**20:,.0f} MiB, every "
            f"{sample.every}th chunk of the corpus"
        )
    with watch.stage(f"training the {spec.kind} tokenizer", sample.n_bytes) as advance:
        return train_tokenizer(spec, sample.texts(), advance)


def _scanned_tokenizer(choice: TokenizerChoice, scan: Scan, is_collection: bool) -> Tokenizer:
    """A tokenizer with an id per character of the corpus, and an end-of-text for documents."""
    assert isinstance(choice, TokenizerSpec), "a tokenizer that exists needs no scan"
    specials = _with_end(choice.special_tokens) if is_collection else choice.special_tokens
    return character_tokenizer(scan.alphabet, choice.unk, specials)


def _with_end(specials: Sequence[str]) -> tuple[str, ...]:
    return tuple(specials) if END_OF_TEXT in specials else (*specials, END_OF_TEXT)
