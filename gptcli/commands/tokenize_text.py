"""``gptcli tokenize``: what a tokenizer makes of a text, and of ids."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gptcli.commands.options import Json
from gptcli.commands.terminal import deliver, harmless, note, results
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from gptcli.data.text import SourceText
    from gptcli.data.tokenization.tokenizer import Tokenizer

_SHOWN = 1000  # tokens of a text that are worth colouring


@dataclass(frozen=True)
class _Tokenized:
    """A text and its ids; ``origin`` is where the tokenizer is from."""

    text: str
    ids: list[int]
    tokenizer: "Tokenizer"
    origin: str

    @property
    def n_bytes(self) -> int:
        return len(self.text.encode("utf-8"))


def tokenize_text(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="TEXT", help="The text itself; - or nothing reads stdin.", show_default=False
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Tokenize this file.", show_default=False)
    ] = None,
    decode: Annotated[
        str | None,
        typer.Option(
            "--decode",
            help='Ids to turn back into text, as "46 47 47" or 46,47,47; - reads stdin.',
            show_default=False,
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            "--tokenizer",
            help="A tokenizer.json, a dataset or a run. Default: the newest dataset's, else the "
            "characters of the text.",
            show_default=False,
        ),
    ] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Print the ids alone, on one line.")] = False,
    json: Json = False,
) -> None:
    """Show the tokens of a text: pieces, ids and counts."""
    if sum(given is not None for given in (text, file, decode)) > 1:
        raise UsageError("TEXT, --file and --decode exclude each other: give one of them")
    if ids and json:
        raise UsageError("--ids and --json exclude each other: --json has the ids too")
    done = _encode(text, file, tokenizer) if decode is None else _decode(decode, tokenizer)
    if json:
        deliver(_json(done), None)
    elif ids:
        deliver(" ".join(map(str, done.ids)), None)
    elif decode is not None:
        _print_text(done.text)
    else:
        _print_view(done)


def _encode(text: str | None, file: Path | None, tokenizer_path: Path | None) -> _Tokenized:
    from gptcli.data.tokenization.character_table import UnseenCharacterError
    from gptcli.errors import DataError

    source, is_argument = _source(text, file)
    tokenizer, origin = _tokenizer(tokenizer_path, source.text)
    try:
        ids = tokenizer.encode(source.text)
    except UnseenCharacterError as error:
        message = (
            f"{source.name}: {error} of {origin}: choose another --tokenizer, or make one that has "
            "it with `gptcli prepare FILE` (--unk for any character)"
        )
        raise (UsageError if is_argument else DataError)(message) from None
    return _Tokenized(source.text, ids.tolist(), tokenizer, origin)


def _source(text: str | None, file: Path | None) -> "tuple[SourceText, bool]":
    """The text to show, and whether it stood on the command line."""
    from gptcli.data.text import read_stdin, read_text, whole_text

    if file is not None:
        return (read_stdin() if str(file) == "-" else read_text(file)), False
    if text is not None and text != "-":
        return whole_text(_valid(text), "TEXT"), True
    if text is None and sys.stdin.isatty():
        raise UsageError('nothing to tokenize: try `gptcli tokenize "hii there"` or --file FILE')
    return read_stdin(), False


def _valid(text: str) -> str:
    """UsageError for bytes on the command line that are not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"TEXT is not valid UTF-8 at character {error.start}: give it as a --file"
        ) from None
    return text


def _tokenizer(path: Path | None, text: str | None) -> "tuple[Tokenizer, str]":
    """The tokenizer that was asked for, the newest dataset's, or one of the text's characters."""
    from gptcli.data.find import newest_dataset
    from gptcli.data.tokenization.characters import character_tokenizer
    from gptcli.data.tokenization.tokenizer import Tokenizer

    if path is not None:
        return Tokenizer.load(path), str(path)
    try:
        found = newest_dataset()
    except UsageError:
        if text is None:
            raise UsageError("--decode needs a tokenizer: give --tokenizer PATH") from None
        note("no dataset here: the characters of the text are the vocabulary")
        return character_tokenizer(text), "the text itself"
    note(f"tokenizer of {found}, the newest dataset (--tokenizer PATH for another)")
    return Tokenizer.load(found), str(found)


def _decode(listed: str, tokenizer_path: Path | None) -> _Tokenized:
    from gptcli.data.text import read_stdin

    ids = _parse_ids(read_stdin().text if listed == "-" else listed)
    tokenizer, origin = _tokenizer(tokenizer_path, None)
    return _Tokenized(tokenizer.decode(ids), ids, tokenizer, origin)


def _parse_ids(listed: str) -> list[int]:
    words = listed.replace(",", " ").split()
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) < 20):
            raise UsageError(f'--decode {word[:40]!r} is no token id: write --decode "46 47 47"')
    if not words:
        raise UsageError('--decode has no ids: write --decode "46 47 47"')
    return [int(word) for word in words]


def _print_text(text: str) -> None:
    # Exact bytes for pipes and files; on a terminal nothing that it would obey.
    if sys.stdout.isatty():
        deliver(harmless(text), None)
    else:
        sys.stdout.write(text)


def _print_view(done: _Tokenized) -> None:
    from gptcli.commands.token_view import token_view

    console = results()
    shown = done.ids[:_SHOWN]
    pieces = [done.tokenizer.piece(number) for number in shown]
    console.print(token_view(pieces, shown, console.width), soft_wrap=True)
    console.print(_counts(done), soft_wrap=True)
    if len(shown) < len(done.ids):
        note(f"the first {len(shown):,} of {len(done.ids):,} tokens are shown: --ids prints all")


def _counts(done: _Tokenized) -> str:
    tokenizer = done.tokenizer
    return (
        f"{len(done.text):,} characters, {done.n_bytes:,} bytes, {len(done.ids):,} tokens, "
        f"{done.n_bytes / max(len(done.ids), 1):.2f} bytes per token, "
        f"vocabulary {tokenizer.vocab_size:,} ({tokenizer.kind})"
    )


def _json(done: _Tokenized) -> str:
    import json

    tokenizer = done.tokenizer
    answer: dict[str, Any] = {
        "schema": "gptcli.tokens/1",
        "tokenizer": {
            "origin": done.origin,
            "kind": tokenizer.kind,
            "vocab_size": tokenizer.vocab_size,
            "identity": tokenizer.identity,
        },
        "characters": len(done.text),
        "bytes": done.n_bytes,
        "tokens": len(done.ids),
        "bytes_per_token": done.n_bytes / len(done.ids) if done.ids else None,
        "ids": done.ids,
        "pieces": [tokenizer.piece(number) for number in done.ids],
        "text": done.text,
    }
    return json.dumps(answer)
