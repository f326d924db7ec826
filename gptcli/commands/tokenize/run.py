"""The things that ``gptcli tokenize`` does, one function for each."""

import contextlib
from collections.abc import Callable, Iterator, Mapping

from gptcli.commands.text_source import Source
from gptcli.commands.tokenize.output import Output, give_stream
from gptcli.commands.tokenize.request import Request
from gptcli.commands.tokenize.token_stream import Encoded
from gptcli.commands.tokenizer_choices import chosen_tokenizer
from gptcli.commands.view.legacy import check_out
from gptcli.commands.view.terminal import escape_controls
from gptcli.errors import UsageError


def run(request: Request) -> None:
    """Do what is asked for and give the result."""
    output = request.output
    if request.train is None:
        check_out(output.out, output.overwrite)
    if output.form == "html" and output.is_terminal:
        raise UsageError("--format html is a page for a browser: give --out page.html")
    _MODES[request.mode](request, output)


def _show(request: Request, output: Output) -> None:
    with request.source() as source:
        tokenizer, origin = chosen_tokenizer(request.tokenizer, request.pattern, source)
        give_stream(Encoded(source, tokenizer, origin), output)


def _decode(request: Request, output: Output) -> None:
    from gptcli.commands.tokenize.decoding import Decoded, listing

    tokenizer, origin = chosen_tokenizer(request.tokenizer, request.pattern, None)
    listed = listing(request.decode or "", is_reread=output.form == "json")
    stream = Decoded(listed, tokenizer, origin)
    if output.form == "table":
        output.stream(_escaped(stream.texts()) if output.is_terminal else stream.texts())
    else:
        give_stream(stream, output)


def _escaped(texts: Iterator[str]) -> Iterator[str]:
    """For a terminal: nothing that it would obey, and a line end."""
    last = ""
    for text in texts:
        last = text or last
        yield escape_controls(text)
    yield "" if last.endswith("\n") else "\n"


def _compare(request: Request, output: Output) -> None:
    from gptcli.commands.tokenize.compare import compare

    with request.source() as source:
        compare(request.compare or "", request.pattern, source, output)


def _list(request: Request, output: Output) -> None:
    from gptcli.commands.tokenize.vocabulary_list import list_codebook

    if len(request.words) > 1:
        raise UsageError("--vocab searches for one text: quote it")
    query = request.words[0] if request.words else None
    with _maybe_source(request) as source:
        tokenizer, origin = chosen_tokenizer(request.tokenizer, request.pattern, source)
    list_codebook(tokenizer, origin, query, request.limit, output)


def _merge(request: Request, output: Output) -> None:
    from gptcli.commands.tokenize.merge_steps import show_merges

    with _maybe_source(request) as source:
        tokenizer, origin = chosen_tokenizer(request.tokenizer, request.pattern, source)
    show_merges(tokenizer, origin, request.merges or "", output)


def _train(request: Request, output: Output) -> None:
    from gptcli.commands.tokenize.train import planned_training, train

    planned = planned_training(
        request.train or "",
        request.vocab_size,
        request.special_tokens,
        request.out,
        request.overwrite,
    )
    with request.source() as source:
        train(planned, source, is_json=output.form == "json")


@contextlib.contextmanager
def _maybe_source(request: Request) -> Iterator[Source | None]:
    """The text of --file, for tokenizers that are made of one."""
    if not request.files:
        yield None
        return
    with request.source() as source:
        yield source


_MODES: Mapping[str, Callable[[Request, Output], None]] = {
    "": _show,
    "--decode": _decode,
    "--compare": _compare,
    "--vocab": _list,
    "--merges": _merge,
    "--train": _train,
}
