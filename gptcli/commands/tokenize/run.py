"""Runs ``tokenize``: one function for each of its modes."""

from contextlib import ExitStack
from dataclasses import replace
from typing import cast

from gptcli.commands.tokenize.chosen_tokenizer import ChosenTokenizer, choose_tokenizer
from gptcli.commands.tokenize.command import TokenizeRequest
from gptcli.commands.tokenize.comparison import compare
from gptcli.commands.tokenize.decoding import DecodedIds, listing
from gptcli.commands.tokenize.merge_steps import show_merges
from gptcli.commands.tokenize.new_tokenizer import check_place, train
from gptcli.commands.tokenize.text_source import TextSource, open_source
from gptcli.commands.tokenize.token_answer import shown_tokens, token_answer
from gptcli.commands.tokenize.token_stream import EncodedText
from gptcli.commands.tokenize.vocabulary_list import list_vocabulary
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.canvas import Canvas
from gptcli.config.data import Errors, ReadOptions


def run(request: TokenizeRequest) -> Answer:
    """Answer as the flags say; files stay open until the answer has been written."""
    with ExitStack() as resources:
        answer = _answer(request, resources)
        return replace(answer, resources=resources.pop_all())


def _answer(request: TokenizeRequest, resources: ExitStack) -> Answer:
    if request.decode is not None:
        return _decode(request, request.decode, resources)
    if request.compare is not None:
        return compare(request.names, request.pattern, _source(request, resources))
    if request.vocab:
        chosen = _chosen(request, _text_of_files(request, resources))
        is_terminal = Canvas.of(request.out).is_terminal
        return list_vocabulary(chosen, request.query, request.limit, is_terminal)
    if request.merges is not None:
        return show_merges(_chosen(request, _text_of_files(request, resources)), request.merges)
    if request.train is not None:
        return _train(request, resources)
    return _show(request, _source(request, resources))


def _show(request: TokenizeRequest, source: TextSource) -> Answer:
    stream = EncodedText(source, _chosen(request, source))
    if request.chosen_form == "table":
        return shown_tokens(stream)
    stream.check()
    return token_answer(stream)


def _decode(request: TokenizeRequest, given: str, resources: ExitStack) -> Answer:
    """Decode ids; the default format is their text, byte for byte."""
    chosen = _chosen(request, None)
    open_listing = listing(given, is_reread=request.chosen_form == "json", resources=resources)
    stream = DecodedIds(open_listing, chosen)
    return replace(token_answer(stream), pieces=stream.texts(), is_exact=True)


def _train(request: TokenizeRequest, resources: ExitStack) -> Answer:
    assert request.out is not None, "the request has checked it"
    check_place(request.out, request.overwrite)
    source = _source(request, resources)
    return train(request.spec, request.out, request.overwrite, source)


def _chosen(request: TokenizeRequest, source: TextSource | None) -> ChosenTokenizer:
    return choose_tokenizer(request.tokenizer, request.pattern, source)


def _text_of_files(request: TokenizeRequest, resources: ExitStack) -> TextSource | None:
    """The text of --file, for tokenizers that are made from it."""
    return _source(request, resources) if request.files else None


def _source(request: TokenizeRequest, resources: ExitStack) -> TextSource:
    options = ReadOptions(cast("Errors", request.errors), request.field)
    return resources.enter_context(open_source(request.text, request.files, options))
