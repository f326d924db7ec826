"""What the flags of ``gptcli tokenize`` ask for, and which of them go together."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from gptcli.commands.text_source import Source, open_source
from gptcli.commands.tokenize.output import FORMATS, Output
from gptcli.config.checks import check_choice, check_whole
from gptcli.data.corpus.utf8 import ERRORS
from gptcli.errors import UsageError

_FORMATS_OF_MODES = ("table", "json")
_OF_TEXTS = ("TEXT", "--file", "--field", "--errors")
_OF_TRAINING = ("--vocab-size", "--special-token")
# Which flags have no meaning beside a mode; "" is showing a text.
_USELESS = {
    "": (*_OF_TRAINING, "--limit"),
    "--decode": (*_OF_TEXTS, *_OF_TRAINING, "--limit"),
    "--compare": ("--tokenizer", *_OF_TRAINING, "--limit"),
    "--vocab": _OF_TRAINING,
    "--merges": ("TEXT", *_OF_TRAINING, "--limit"),
    "--train": ("--tokenizer", "--pattern", "--limit"),
}
_OWNERS = {"--vocab-size": "--train", "--special-token": "--train", "--limit": "--vocab"}


@dataclass(frozen=True)
class Request:
    """The command line, one field for each flag; UsageError where flags contradict each other."""

    words: Sequence[str]
    files: Sequence[str]
    field: str | None
    errors: str
    tokenizer: str | None
    pattern: str | None
    decode: str | None
    compare: str | None
    vocab: bool
    merges: str | None
    train: str | None
    vocab_size: int | None
    special_tokens: Sequence[str]
    limit: int | None
    form: str
    out: Path | None
    overwrite: bool

    def __post_init__(self) -> None:
        modes = self._modes()
        if len(modes) > 1:
            raise UsageError(f"{modes[0]} and {modes[1]} exclude each other: give one of them")
        self._check_company()
        if self.mode not in ("", "--decode") and self.form not in _FORMATS_OF_MODES:
            raise UsageError(
                f"{self.mode} and --format {self.form} exclude each other: leave one out"
            )
        if self.pattern is not None and self.tokenizer is None and self.compare is None:
            raise UsageError("--pattern is for a .tiktoken file: name it with --tokenizer")
        check_choice("errors", self.errors, ERRORS)
        if self.limit is not None:
            check_whole("limit", self.limit, least=1)

    @property
    def mode(self) -> str:
        """The flag that says what to do; empty: show the tokens of a text."""
        return next(iter(self._modes()), "")

    @property
    def output(self) -> Output:
        """Where the result goes."""
        return Output(self.form, self.out, self.overwrite)

    def source(self) -> AbstractContextManager[Source]:
        """The text, for a ``with`` block; the words of --vocab are a query and no text."""
        words = [] if self.vocab else self.words
        return open_source(words, self.files, self.field, self.errors)

    def _modes(self) -> list[str]:
        given = {
            "--decode": self.decode is not None,
            "--compare": self.compare is not None,
            "--vocab": self.vocab,
            "--merges": self.merges is not None,
            "--train": self.train is not None,
        }
        return [flag for flag, is_given in given.items() if is_given]

    def _check_company(self) -> None:
        given = {
            "TEXT": bool(self.words),
            "--file": bool(self.files),
            "--field": self.field is not None,
            "--errors": self.errors != ERRORS[0],
            "--tokenizer": self.tokenizer is not None,
            "--pattern": self.pattern is not None,
            "--vocab-size": self.vocab_size is not None,
            "--special-token": bool(self.special_tokens),
            "--limit": self.limit is not None,
        }
        for flag in _USELESS[self.mode]:
            if not given[flag]:
                continue
            if not self.mode:
                raise UsageError(f"{flag} is for {_OWNERS[flag]}: give both, or leave it out")
            raise UsageError(f"{self.mode} makes no use of {flag}: leave one of them out")


def chosen_format(form: str | None, ids: bool, json: bool) -> str:
    """One of the FORMATS, from --format or what is short for it."""
    if form is not None:
        check_choice("format", form, FORMATS)
    named = {"--ids": "ids" if ids else None, "--json": "json" if json else None, "--format": form}
    given = {flag: value for flag, value in named.items() if value is not None}
    if len(set(given.values())) > 1:
        first, second, *_ = (
            f"{flag} {value}" if flag == "--format" else flag for flag, value in given.items()
        )
        hint = ": --json has the ids too" if ids and json else ": give one of them"
        raise UsageError(f"{first} and {second} exclude each other{hint}")
    return next(iter(given.values()), "table")
