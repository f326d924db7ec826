"""Runs ``prepare``: makes a dataset, or does one of the other tasks of the command."""

import contextlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

from gptcli.commands.choices import model_behind, stored_tokenizer
from gptcli.commands.prepare.answers import (
    dataset_answer,
    plan_answer,
    shard_answer,
    sources_answer,
    verified_answer,
)
from gptcli.commands.prepare.command import PrepareRequest
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.progress_bar import progress
from gptcli.commands.view.terminal import note, stdin_is_terminal
from gptcli.config.data import Errors, ReadOptions
from gptcli.data.corpus.finding import corpus_name
from gptcli.data.corpus.hub_source import download, files_of, is_on_hub
from gptcli.data.corpus.sources import BUILT_IN_SOURCES
from gptcli.data.dataset import Dataset, read_record
from gptcli.data.dataset_record import DATASETS, RECORD_FILE
from gptcli.data.preparation.chats import TemplateFile
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.data.preparation.sharing import (
    encode_share,
    merge,
    parse_share,
    plan_directory,
    plan_preparation,
)
from gptcli.data.preparation.verify import verify_dataset
from gptcli.data.source_text import STDIN
from gptcli.errors import GptcliError
from gptcli.runtime.outputs import output_path
from gptcli.runtime.progress import Advance
from gptcli.tokenization.tokenizer import Tokenizer


def run(request: PrepareRequest) -> Answer:
    """Prepare as the flags say, or do another task of the command."""
    if request.list_sources:
        return sources_answer()
    if request.verify is not None:
        return _verify(request.verify)
    if request.shard is not None:
        return _encode_shard(request, request.shard)
    if request.merge:
        return _merge(request)
    return _plan(request) if request.plan else _prepare(request)


class TerminalWatch:
    """Shows the stages of a preparation as progress, and its notes on stderr."""

    def stage(self, label: str, n_bytes: int | None) -> AbstractContextManager[Advance]:
        """Show the progress of a stage in bytes."""
        return progress(label, n_bytes, "bytes")

    def note(self, message: str) -> None:
        """Print a note on stderr."""
        note(message)


def _prepare(request: PrepareRequest) -> Answer:
    preparation = _preparation(request)
    directory = _directory(request)
    dataset = prepare(preparation, directory, overwrite=request.overwrite, watch=TerminalWatch())
    if request.out is None:
        _tell_of_the_same(dataset)
    model = None if request.spec else model_behind(request.tokenizer)
    return dataset_answer(dataset, is_newest_place=request.out is None, model=model)


def _tell_of_the_same(dataset: Dataset) -> None:
    """Note an earlier dataset beside this one that has the same content."""
    for file in sorted(dataset.directory.parent.glob(f"*/{RECORD_FILE}")):
        other = file.parent
        if other == dataset.directory or other.name.startswith("."):
            continue
        with contextlib.suppress(GptcliError):
            if dataset.has_identity(read_record(other).identity):
                note(f"{other} has the same content already: {dataset.directory} is a second copy")
                return


def _plan(request: PrepareRequest) -> Answer:
    preparation = _preparation(request)
    directory = _directory(request)
    plan = plan_preparation(
        preparation, directory, overwrite=request.overwrite, watch=TerminalWatch()
    )
    return plan_answer(directory, plan_directory(directory), plan)


def _encode_shard(request: PrepareRequest, shard: str) -> Answer:
    share, workers = parse_share(shard), request.config.workers
    done = encode_share(_planned(request), share, workers=workers, watch=TerminalWatch())
    return shard_answer(share, done)


def _merge(request: PrepareRequest) -> Answer:
    out = _planned(request)
    dataset = merge(out, overwrite=request.overwrite, watch=TerminalWatch())
    return dataset_answer(dataset, is_newest_place=out.parent == DATASETS)


def _verify(directory: Path) -> Answer:
    with progress("verifying", None, "bytes") as advance:
        return verified_answer(verify_dataset(directory, advance))


def _preparation(request: PrepareRequest) -> Preparation:
    assert request.source, "a request to prepare has sources"
    for source in request.source:
        _announce(source)
    template = request.chat_template
    return Preparation(
        sources=request.source,
        tokenizer=request.spec or _stored(request),
        read=ReadOptions(cast("Errors", request.errors), request.field, request.split_on),
        config=request.config,
        arithmetic=request.arithmetic,
        chat_template=None if template is None else TemplateFile.read(template),
    )


def _stored(request: PrepareRequest) -> Tokenizer:
    """The existing tokenizer, with the special tokens that are added to it."""
    tokenizer = stored_tokenizer(request.tokenizer, request.pattern)
    return tokenizer.extended(request.special_token or ())


def _directory(request: PrepareRequest) -> Path:
    name = corpus_name(request.source or ())
    return output_path(request.out, DATASETS, name, request.overwrite)


def _planned(request: PrepareRequest) -> Path:
    """The directory of the dataset that a plan was made for."""
    assert request.out is not None, "the request has checked it"
    return request.out


def _announce(source: str) -> None:
    if source in BUILT_IN_SOURCES:
        note(f"reading {BUILT_IN_SOURCES[source].about}")
        if Path(source).is_file():
            note(f"{source} is the built-in text: for the file of that name write ./{source}")
    elif is_on_hub(source):
        files = files_of(source)
        with progress(f"downloading {source}", len(files), "files") as advance:
            for file in files:
                download(source, file)
                advance(1)
    elif source == STDIN and stdin_is_terminal():
        note("reading text from the terminal: Ctrl-D ends it")
