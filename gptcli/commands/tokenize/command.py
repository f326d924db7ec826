"""``gptcli tokenize``: what tokenizers make of a text, and of ids; and new tokenizers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gptcli.commands.legacy_options import Json, Overwrite


def _option(panel: str, help_text: str, *flags: str, **more: Any) -> Any:
    return typer.Option(*flags, help=help_text, rich_help_panel=panel, show_default=False, **more)


_TEXT, _WITH, _MODES, _SHOW = "Which text", "Which tokenizer", "Do something else", "What to show"

_Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TEXT", help="The text itself; - or nothing reads stdin.", show_default=False
    ),
]
_Files = Annotated[
    list[str] | None,
    _option(
        _TEXT,
        "Files, directories or globs, of any size; - is stdin; shakespeare, python: built in.",
        "--file",
        metavar="FILE",
    ),
]
_Field = Annotated[
    str | None, _option(_TEXT, "Where the text of a .jsonl record or a .parquet row is.", "--field")
]
_Errors = Annotated[
    str, _option(_TEXT, "Bytes that are not UTF-8: strict (default), replace or ignore.")
]
_Tokenizer = Annotated[
    str | None,
    _option(
        _WITH,
        "A tokenizer.json or another vocabulary, a directory, a name on the Hugging Face hub, or a "
        "kind made of the text itself: char, byte, bpe:512. Default: the newest dataset's, else "
        "the characters of the text.",
        metavar="NAME",
    ),
]
_Pattern = Annotated[
    str | None,
    _option(_WITH, "How a .tiktoken file splits words: gpt2, cl100k or a regular expression."),
]
_Decode = Annotated[
    str | None,
    _option(
        _MODES,
        'Turn ids back into text, given as "46 47 47" or 46,47,47; - reads stdin.',
        metavar="IDS",
    ),
]
_Compare = Annotated[
    str | None,
    _option(
        _MODES,
        "Compare tokenizers on the text: char,bpe:512,gpt2.",
        metavar="NAMES",
    ),
]
_Vocab = Annotated[
    bool, _option(_MODES, "List the code book; TEXT (or an id) searches it.", "--vocab")
]
_Merges = Annotated[str | None, _option(_MODES, "Show how BPE builds a word.", metavar="WORD")]
_Train = Annotated[
    str | None,
    _option(
        _MODES,
        "Learn a tokenizer from the text, for --out: char, byte, word, bpe, wordpiece or unigram.",
        metavar="KIND",
    ),
]
_VocabSize = Annotated[
    int | None, _option(_MODES, "With --train: how many tokens. Default: 4096.", "--vocab-size")
]
_Special = Annotated[
    list[str] | None,
    _option(
        _MODES,
        "With --train: a token that no text becomes, such as <|user|>. The kinds with a size "
        "always have <|endoftext|>.",
        metavar="TOKEN",
    ),
]
_Format = Annotated[
    str | None, _option(_SHOW, "table (default), json, ids, or html: a page of coloured tokens.")
]
_Ids = Annotated[bool, _option(_SHOW, "The ids alone, on one line.", "--ids")]
_Limit = Annotated[
    int | None, _option(_SHOW, "With --vocab: how many entries. Default: 100 on a terminal.")
]
_Out = Annotated[
    Path | None, _option(_SHOW, "Write to this file; with --train, to this directory.")
]


def tokenize_text(
    words: _Words = None,
    file: _Files = None,
    field: _Field = None,
    errors: _Errors = "strict",
    tokenizer: _Tokenizer = None,
    pattern: _Pattern = None,
    decode: _Decode = None,
    compare: _Compare = None,
    vocab: _Vocab = False,
    merges: _Merges = None,
    train: _Train = None,
    vocab_size: _VocabSize = None,
    special_token: _Special = None,
    format: _Format = None,
    ids: _Ids = False,
    limit: _Limit = None,
    json: Json = False,
    out: _Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Show the tokens of a text: pieces, ids and counts.

    Or compare tokenizers, look into their code books, and train new ones.
    """
    from gptcli.commands.tokenize.request import Request, chosen_format
    from gptcli.commands.tokenize.run import run

    run(
        Request(
            words=words or [],
            files=file or [],
            field=field,
            errors=errors,
            tokenizer=tokenizer,
            pattern=pattern,
            decode=decode,
            compare=compare,
            vocab=vocab,
            merges=merges,
            train=train,
            vocab_size=vocab_size,
            special_tokens=special_token or [],
            limit=limit,
            form=chosen_format(format, ids, json),
            out=out,
            overwrite=overwrite,
        )
    )
