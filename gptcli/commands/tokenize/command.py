"""``gptcli tokenize``: tokens of a text, text of ids, and training of tokenizers."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Self

from gptcli.commands.completion import tokenizers
from gptcli.commands.options import OutputRequest, argument, option
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.output import Output
from gptcli.commands.view.terminal import stdin_is_terminal
from gptcli.commands.word_meaning import is_file, local_dataset, looks_like_file, taken_for
from gptcli.config.checks import check_whole
from gptcli.config.data import ERRORS
from gptcli.errors import UsageError
from gptcli.runtime.files import is_there
from gptcli.tokenization.kinds import (
    DEFAULT_VOCAB_SIZE,
    END_OF_TEXT,
    SIZED_KINDS,
    TokenizerSpec,
    parse_spec,
)

_TEXT, _WITH, _MODES, _SHOW = "Text", "Tokenizer", "Other tasks", "Output"
_IN_TRAINING = ("vocab_size", "word_space", "special_token")
_TABLES = ("table", "json", "md", "csv")


@dataclass(frozen=True)
class TokenizeRequest(OutputRequest):
    """A text or ids, a tokenizer, and what to do with them."""

    formats = ("table", "json", "ids", "html")
    formats_with = MappingProxyType(dict.fromkeys(("compare", "vocab", "merges", "train"), _TABLES))
    short_forms = MappingProxyType({"ids": "ids", "json_output": "json"})
    exclusive = (
        ("decode", "compare", "vocab", "merges", "train"),
        ("words", "literal"),
        ("literal", "file"),
    )
    makes_no_use_of = MappingProxyType(
        {
            "decode": ("words", "literal", "file", "field", "errors", *_IN_TRAINING, "limit"),
            "compare": ("tokenizer", *_IN_TRAINING, "limit"),
            "vocab": ("literal", *_IN_TRAINING),
            "merges": ("words", "literal", *_IN_TRAINING, "limit"),
            "train": ("tokenizer", "pattern", "limit"),
        }
    )
    needs = MappingProxyType(
        {
            **dict.fromkeys(_IN_TRAINING, ("train",)),
            "limit": ("vocab",),
            "pattern": ("tokenizer", "compare"),
        }
    )

    words: list[str] | None = argument(
        "The text itself, or an existing file; - (or no text) reads stdin.", "TEXT"
    )
    literal: str | None = option(
        "The text itself, even if it is the name of a file.", "--text", panel=_TEXT
    )
    file: list[str] | None = option(
        "Files, directories or globs; - reads stdin; shakespeare and python are built in.",
        panel=_TEXT,
        metavar="FILE",
    )
    field: str | None = option(
        "The field that holds the text of a .jsonl record or a .parquet row.", panel=_TEXT
    )
    errors: str = option(
        "What to do with bytes that are not UTF-8: strict, replace or ignore.",
        default=ERRORS[0],
        panel=_TEXT,
        choices=ERRORS,
    )
    tokenizer: str | None = option(
        "A tokenizer.json or another vocabulary file, a directory, a hub id, or a kind that is "
        "made from the text itself: char, byte, bpe:512. Default: that of the newest dataset, "
        "else the characters of the text.",
        panel=_WITH,
        metavar="NAME",
        offer=tokenizers,
    )
    pattern: str | None = option(
        "How a .tiktoken file splits text: gpt2, cl100k, o200k or a regular expression.",
        panel=_WITH,
    )
    decode: str | None = option(
        'Turn ids back into text, given as "46 47 47" or 46,47,47; - reads stdin.',
        panel=_MODES,
        metavar="IDS",
    )
    compare: str | None = option(
        "Compare tokenizers on the text, such as char,bpe:512,gpt2.", panel=_MODES, metavar="NAMES"
    )
    vocab: bool = option(
        "List the vocabulary, or the entries that contain TEXT or have this id.",
        default=False,
        panel=_MODES,
    )
    merges: str | None = option(
        "Show how BPE merges a word, step by step.", panel=_MODES, metavar="WORD"
    )
    train: str | None = option(
        "Train a tokenizer on the text and write it to --out: char, byte, word, bpe, wordpiece "
        "or unigram.",
        panel=_MODES,
        metavar="KIND",
    )
    vocab_size: int | None = option(
        f"With --train: vocabulary size. Default: {DEFAULT_VOCAB_SIZE}.", panel=_MODES
    )
    word_space: bool = option(
        "With --train word: the space before a word belongs to the word.",
        default=False,
        panel=_MODES,
    )
    special_token: list[str] | None = option(
        "With --train: add a special token, such as <|user|>, which text never turns into. May be "
        f"repeated. The kinds that are trained to a size always have {END_OF_TEXT}.",
        panel=_MODES,
        metavar="TOKEN",
    )
    ids: bool = option(
        "Print only the ids, on one line; short for --format ids.", default=False, panel=_SHOW
    )
    limit: int | None = option(
        "With --vocab: number of entries to list. Default: 100 on a terminal, else all.",
        panel=_SHOW,
    )
    out: Path | None = option("Write to this file; with --train, to this directory.", panel=_SHOW)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.limit is not None:
            check_whole("limit", self.limit, least=1)
        self._check_words()
        if self.compare is not None and not _are_different(self.names):
            raise UsageError(
                f"--compare {self.compare!r}: name each tokenizer once, as in char,bpe:512,gpt2"
            )
        if self.merges == "":
            raise UsageError('--merges needs a word: try --merges "there"')
        if self.train is not None:
            self._check_training(self.spec)

    def understood(self) -> Self:
        """The request with files in their own place, if they were given as the text."""
        if self.literal is not None:
            return replace(self, words=[self.literal], literal=None)
        words = self.words or []
        if not words or self.file or self.vocab:
            return self
        name = shlex.quote(words[0])
        if all(map(is_file, words)):
            what = f"{words[0]} is a file: taken as --file (for a text, --text {name})"
            return taken_for(what, self, words=None, file=words)
        if not is_there(words[0]) and looks_like_file(words[0]):
            raise UsageError(
                f"{words[0]} does not exist: check the path; for a text, gptcli tokenize "
                f"--text {name}"
            )
        if found := local_dataset(words[0]) if "/" in words[0] else None:
            way = f"gptcli tokenize --tokenizer {shlex.quote(found.as_posix())} TEXT"
            raise UsageError(f"{words[0]} is a dataset: {way} uses its tokenizer")
        return self

    @property
    def output(self) -> Output:
        """How and where the answer is written; with --train, --out is the new tokenizer."""
        return super().output if self.train is None else Output(self.chosen_form)

    @property
    def is_free_text(self) -> bool:
        """Whether the answer is the text of ids, or --out a directory."""
        return self.decode is not None or self.train is not None

    @property
    def query(self) -> str | None:
        """What to search the vocabulary for."""
        return self.words[0] if self.words and self.vocab else None

    @property
    def text(self) -> str | None:
        """The text, if it is given as an argument."""
        return self.words[0] if self.words and not self.vocab and not self.file else None

    @property
    def files(self) -> list[str]:
        """The given files: a shell turns ``--file *.txt`` into one file and more arguments."""
        more = [] if self.vocab else self.words or []
        return [*self.file, *more] if self.file else []

    @property
    def names(self) -> list[str]:
        """The tokenizers to compare."""
        return [name.strip() for name in (self.compare or "").split(",")]

    @property
    def spec(self) -> TokenizerSpec:
        """The tokenizer to train: a kind, with its size behind a colon or in --vocab-size.

        One that is trained to a size also gets <|endoftext|>, with which documents end.
        """
        assert self.train is not None, "only --train makes one"
        kind, size = self.train, self.vocab_size
        if named := parse_spec(self.train):
            kind, size = named.kind, named.one_size(f"--train {self.train}", size)
        special = self.special_token or []
        ends = (END_OF_TEXT,) if kind in SIZED_KINDS and END_OF_TEXT not in special else ()
        return TokenizerSpec(kind, size, False, (*ends, *special), self.word_space)

    def _check_training(self, spec: TokenizerSpec) -> None:
        if self.out is None:
            example = f"{spec.kind}-{spec.size}" if spec.kind in SIZED_KINDS else spec.kind
            raise UsageError(f"--train needs a place for the tokenizer: give --out tok/{example}")

    def _check_words(self) -> None:
        words = self.words or []
        if self.vocab and len(words) > 1:
            raise UsageError("--vocab searches for one text: quote it")
        if self.file and not self.vocab:
            if texts := [word for word in words if not is_there(word)]:
                raise UsageError(
                    f"TEXT ({texts[0][:40]!r}) and --file cannot be combined: leave one out"
                )
        elif len(words) > 1 and not all(map(is_file, words)):
            raise UsageError(
                f'TEXT must be one argument, but {len(words)} were given: quote it, as in "hii '
                'there"'
            )
        if self.text is not None:
            _check_unicode(self.text)
        needs_text = not self.given("decode", "vocab", "merges")
        has_text = words or self.file or self.literal is not None
        if needs_text and not has_text and stdin_is_terminal():
            raise UsageError(
                'nothing to tokenize: try `gptcli tokenize "hii there"` or --file FILE'
            )


def _are_different(names: list[str]) -> bool:
    return all(names) and len(set(names)) == len(names)


def _check_unicode(text: str) -> None:
    """Raise UsageError for bytes on the command line that are not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"TEXT is not valid UTF-8 at character {error.start}: give it as a --file"
        ) from None


def tokenize(request: TokenizeRequest) -> Answer:
    """Show the tokens of a text: pieces, ids and counts.

    The special tokens that a tokenizer's makers put around a text, such as <s>, are shown and
    counted, as AutoTokenizer gives them. It also compares tokenizers, lists their vocabularies,
    and trains new ones. --format html is a page of coloured tokens.
    """
    from gptcli.commands.tokenize.run import run

    return run(request)
