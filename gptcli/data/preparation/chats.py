"""What a corpus of chats or pairs needs: one kind of records, a chat template and its tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gptcli.config.data import ReadOptions
from gptcli.data.chat.chat_template import (
    BUILT_IN,
    BUILT_IN_TEMPLATE,
    BUILT_IN_TOKENS,
    ChatTemplate,
)
from gptcli.data.chat.contents import CorpusKind, RecordShape
from gptcli.data.chat.encoding import check_holds_chats
from gptcli.data.corpus.chunks import Problem, Reader
from gptcli.data.corpus.inputs import Corpus, DocumentLayout
from gptcli.data.corpus.jsonl_reader import JsonlReader
from gptcli.data.corpus.parquet_reader import ParquetReader
from gptcli.data.corpus.reading import open_reader
from gptcli.errors import CheckpointError, DataError, ResourceError, UsageError
from gptcli.runtime.files import read_bounded
from gptcli.tokenization.kinds import END_OF_TEXT, TokenizerSpec
from gptcli.tokenization.splits import Cuts
from gptcli.tokenization.tokenizer import Tokenizer

TokenizerChoice = Tokenizer | TokenizerSpec
_LARGEST = 2**20  # bytes of a template
_FIRST = 2**14  # bytes that are read for the first record, at least
_TOKEN_NAME = re.compile(r"<\|[^<>|\s]+\|>")  # as most templates write them


@dataclass(frozen=True)
class TemplateFile:
    """A chat template that the user gave, and its file for messages."""

    name: str
    text: str

    @classmethod
    def read(cls, path: Path) -> "TemplateFile":
        """Read a template; UsageError where there is no such file, CheckpointError for no text."""
        try:
            return cls(str(path), read_bounded(path, _LARGEST).decode("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError(f"--chat-template {path} not found: check the path") from None
        except OSError as error:
            raise ResourceError(f"cannot read {path}: {error.strerror or error}") from error
        except ValueError as error:
            raise CheckpointError(f"{path} is not a chat template: {error}") from None


def corpus_kind(corpus: Corpus, read: ReadOptions) -> CorpusKind:
    """The kind of the first good record, which all others must have.

    DataError for a text file among records of another kind, and where there is no good record.
    """
    kind = next(_kinds(corpus, read), CorpusKind.TEXT)
    if kind is not CorpusKind.TEXT:
        for one in corpus.inputs:
            if one.layout is DocumentLayout.TEXT:
                raise DataError(
                    f"{one.name} is a text, and the first record of the sources is a {kind}: "
                    "prepare the two apart"
                )
    return kind


def _kinds(corpus: Corpus, read: ReadOptions) -> Iterator[CorpusKind]:
    bad: tuple[Reader, Problem] | None = None
    for one in corpus.inputs:
        reader = open_reader(one, read, Cuts.ANYWHERE)
        if isinstance(reader, JsonlReader | ParquetReader):
            reader = replace(reader, step=_FIRST)
        else:
            yield CorpusKind.TEXT
        for chunk in reader.chunks():
            parsed = reader.parse(chunk)
            yield from (document.kind for document in parsed.documents)
            bad = bad or next(((reader, one) for one in parsed.problems), None)
    if bad is not None:
        reader, problem = bad
        place = f"{reader.source.name}, {reader.place(problem.offset)}"
        raise DataError(f"{place}: {problem.reason}: correct it")


def prepared_choice(
    kind: CorpusKind, choice: TokenizerChoice, given: TemplateFile | None
) -> tuple[TokenizerChoice, ChatTemplate | None]:
    """The tokenizer with what a corpus of that kind needs, and the template that writes its turns.

    The template is the given one, else the tokenizer's, else the built-in one, whose tokens are
    added. Raises UsageError where the tokenizer lacks some of another one's, or cannot hold
    chats, CheckpointError where a template writes no token that ends an answer.
    """
    if not kind.has_turns:
        if given is not None:
            raise UsageError(
                f"--chat-template {given.name} has no effect: the sources hold no chats (records "
                "with messages, conversations or instruction). Leave it out"
            )
        _check_end(kind, choice)
        return choice, None
    own = choice.chat_template if isinstance(choice, Tokenizer) else None
    text = own or BUILT_IN_TEMPLATE if given is None else given.text
    added = BUILT_IN_TOKENS if text == BUILT_IN_TEMPLATE else ()
    if isinstance(choice, Tokenizer):
        choice = choice.extended(added).with_chat_template(text)
        names = tuple(choice.special_tokens)
    else:
        own_names = tuple(dict.fromkeys((*choice.special_tokens, *added)))
        choice = replace(choice, special_tokens=own_names)
        names = tuple(dict.fromkeys((*own_names, END_OF_TEXT)))  # which records give it
    template = ChatTemplate(text, names)
    try:
        _check_template(template, choice, given)
    except CheckpointError as error:
        if given is None:
            raise
        raise CheckpointError(f"{given.name}: {error}") from None
    return choice, template


def _check_template(
    template: ChatTemplate, choice: TokenizerChoice, given: TemplateFile | None
) -> None:
    # Some makers write such names as text, and their own template is that of their model.
    missing = dict.fromkeys(_TOKEN_NAME.findall("" if given is None else given.text))
    for name in template.special_tokens:
        missing.pop(name, None)
    if missing:
        flags = " ".join(f"--special-token '{name}'" for name in missing)
        raise UsageError(
            f"the chat template writes {', '.join(missing)}, which the tokenizer does not have as "
            f"special tokens: add them with {flags}, or give the --tokenizer of the template"
        )
    end = template.end_token
    if isinstance(choice, Tokenizer):
        check_holds_chats(choice, end)


def _check_end(kind: CorpusKind, choice: TokenizerChoice) -> None:
    has_end = not isinstance(choice, Tokenizer) or choice.end_of_text is not None
    if kind is CorpusKind.TEXT_PAIR and not has_end:
        raise UsageError(
            "the tokenizer has no end-of-text token to end the answers of the pairs with, so a "
            f"model could not learn to stop: add one with --special-token '{END_OF_TEXT}'"
        )


def shape_of(kind: CorpusKind, tokenizer: Tokenizer) -> RecordShape:
    """How the records of a prepared corpus become documents."""
    end = tokenizer.end_of_text
    return RecordShape(
        kind=kind,
        template=ChatTemplate.of(tokenizer) or BUILT_IN,
        end=END_OF_TEXT if end is None else tokenizer.piece(end),
    )
