"""A tokenizer of any kind that tokenizer.json can describe: text to token ids and back."""

import contextlib
import copy
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

from gptcli.errors import CheckpointError, DataError, ResourceError, UsageError, reason_of
from gptcli.runtime.files import read_bounded, write_json, write_text
from gptcli.tokenization.byte_level import is_byte_tokenizer
from gptcli.tokenization.character_table import CharacterTable, is_character_tokenizer
from gptcli.tokenization.extension import is_extension, special_token
from gptcli.tokenization.growth import check_growth
from gptcli.tokenization.identity import former_identity, tokenizer_identity
from gptcli.tokenization.template import Template, post_processor_of, template_of
from gptcli.tokenization.time_limit import has_expressions, in_time
from gptcli.tokenization.tokenizer_config import (
    CHAT_TEMPLATE_FILE,
    TOKENIZER_CONFIG_FILE,
    TokenizerConfig,
)

TOKENIZER_FILE = "tokenizer.json"
LARGEST_ID = 2**22  # the largest vocabularies have a million tokens
LARGEST_FILE = 2**28  # bytes; the largest published ones have some 35 MB
ENDS_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>")
STARTS_OF_TEXT = ("<|endoftext|>", "<s>", "<bos>")  # of GPT-2 and of SentencePiece
_OTHER_ENDS = frozenset({"endoftext", "endofsentence", "endofdocument", "eos", "eod"})
_SPLITTING = ("normalizer", "pre_tokenizer")
_MARKS = re.compile(r"[^a-z]")  # of <|end_of_sentence|> or [EOS]


class Tokenizer:
    """A tokenizer of the ``tokenizers`` library, with a faster way for single characters.

    Text never becomes a special token, even if it contains its name, and nothing is truncated,
    padded or left to chance: ``dropout`` is the rate at which the file would leave out merges,
    which is off here. ``template`` are the special tokens that its makers put around a text;
    ``encode`` adds them where that is asked for. ``missing_ids`` are those below ``vocab_size``
    that have no token; ``configured_starts`` and ``configured_ends`` are the tokens that the
    files beside the vocabulary say begin and end a text. ``assumptions`` are what a user should
    know of how these files were read. ``chat_template`` is a text of Jinja that writes the turns
    of a conversation; it is no part of the identity.
    """

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        inner.encode_special_tokens = True
        inner.no_truncation()
        inner.no_padding()
        self._inner = inner
        self.dropout: float | None = getattr(inner.model, "dropout", None) or None
        before = former_identity(json.loads(inner.to_str())) if self.dropout else ""
        if self.dropout:
            inner.model.dropout = None
        self._pieces, self.missing_ids = _pieces_by_id(inner)  # first: to_str counts up to the last
        self._n_ids = len(self._pieces)  # also where a model has fewer
        self._content: dict[str, Any] = json.loads(inner.to_str())
        check_growth(self._content)
        self._table = self.character_table("int64")
        self._may_be_slow = any(has_expressions(self._content[part]) for part in _SPLITTING)
        self._written_template = template_of(self._content["post_processor"])
        self.template = self._written_template.within(self.vocab_size)
        self.assumptions: tuple[str, ...] = ()
        self.configured_starts: tuple[str, ...] = ()
        self.configured_ends: tuple[str, ...] = ()
        self.chat_template: str | None = None
        self._earlier = frozenset({before} - {""})

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """Read a tokenizer.json, or the one in a directory (a dataset, a run).

        Raises UsageError where there is none, CheckpointError where it is damaged.
        """
        file = path / TOKENIZER_FILE if path.is_dir() else path
        try:
            text = read_bounded(file, LARGEST_FILE).decode("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError(
                f"no tokenizer at {file}: give a tokenizer.json, a dataset or a run"
            ) from None
        except UnicodeDecodeError as error:
            raise CheckpointError(
                f"{file} is not UTF-8 at byte {error.start:,}: it is not a tokenizer.json"
            ) from None
        except ValueError as error:
            raise CheckpointError(f"{file} is not a tokenizer.json: {error}") from None
        except OSError as error:
            raise ResourceError(f"cannot read {file}: {error.strerror or error}") from error
        tokenizer = cls.from_json(text, str(file))
        if file.name != TOKENIZER_FILE:
            return tokenizer
        return tokenizer.completed(TokenizerConfig.read(file.parent), str(file))

    @classmethod
    def from_json(cls, text: str, name: str = TOKENIZER_FILE) -> "Tokenizer":
        """Build from the text of a tokenizer.json; ``name`` is for the CheckpointError."""
        try:
            with _without_panic_messages():
                return cls(tokenizers.Tokenizer.from_str(text))
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:  # a panic of the library is not an Exception
            raise CheckpointError(
                f"{name} is not a usable tokenizer ({reason_of(error)}): download or make it again"
            ) from None

    @property
    def inner(self) -> tokenizers.Tokenizer:
        """The library's object, which callers must not change."""
        return self._inner

    @property
    def content(self) -> Mapping[str, Any]:
        """The parsed content of tokenizer.json."""
        return self._content

    @cached_property
    def kind(self) -> str:
        """``char``, ``byte``, ``word``, ``bpe``, ``wordpiece`` or ``unigram``."""
        if self._table:
            return "char"
        name = str(self._content["model"]["type"]).lower()
        if name == "bpe" and is_byte_tokenizer(self._content):
            return "byte"
        return "word" if name == "wordlevel" else name

    def character_table(self, dtype: str) -> CharacterTable | None:
        """The table from characters to ids of ``dtype``; None unless the kind is char."""
        if not is_character_tokenizer(self._content):
            return None
        model = self._content["model"]
        return CharacterTable(model["vocab"], model["unk_token"], dtype)

    @property
    def vocab_size(self) -> int:
        """One more than the highest id: the number of tokens, unless ids are missing."""
        return len(self._pieces)

    @cached_property
    def special_tokens(self) -> Mapping[str, int]:
        """Ids of the tokens that text never becomes, by name, in the order of their ids."""
        special = [token for token in self._content["added_tokens"] if token["special"]]
        return {token["content"]: token["id"] for token in special if token["id"] < self.vocab_size}

    def for_model(self, vocab_size: int) -> "Tokenizer":
        """The same tokenizer, which refuses the ids that a model of ``vocab_size`` lacks."""
        if vocab_size >= self.vocab_size:
            return self
        limited = copy.copy(self)
        limited.__dict__.pop("special_tokens", None)  # counted with the whole vocabulary
        limited._pieces = self._pieces[:vocab_size]
        limited.template = self.template.within(vocab_size)
        limited.missing_ids = tuple(n for n in self.missing_ids if n < vocab_size)
        return limited

    def check_ids(self, ids: NDArray[Any]) -> None:
        """Raise DataError where a text became an id that the model lacks."""
        highest = int(ids.max(initial=0))
        if highest >= self.vocab_size:
            raise DataError(
                f"the text has the token {self._inner.id_to_token(highest)!r} ({highest}), and "
                f"the model has ids up to {self.vocab_size - 1}: leave it out of the text, or use "
                "the tokenizer that the model was trained with"
            )

    @property
    def end_of_text(self) -> int | None:
        """Id of the special token that ends a document; None where there is none.

        It is what the files beside the vocabulary call so, else it has a usual name, or looks
        like one.
        """
        special = self.special_tokens
        alike = [name for name in special if _MARKS.sub("", name.lower()) in _OTHER_ENDS]
        names = [*self.configured_ends, *ENDS_OF_TEXT, *alike]
        return next((special[name] for name in names if name in special), None)

    @property
    def configured_end_ids(self) -> frozenset[int]:
        """Ids of the special tokens that the files beside the vocabulary say end a text."""
        special = self.special_tokens
        return frozenset(special[name] for name in self.configured_ends if name in special)

    @property
    def start_of_text(self) -> int | None:
        """Id of the special token that the files beside the vocabulary say begins a text."""
        special = self.special_tokens
        return next((special[name] for name in self.configured_starts if name in special), None)

    def completed(self, config: TokenizerConfig, name: str) -> "Tokenizer":
        """The tokenizer with the tokens, the start and the end of text that stand beside it.

        Files of a gptcli that knew no templates do not say that theirs is used: it is not. Raises
        CheckpointError, with ``name``, where a token's id is taken or cannot be given.
        """
        known = {token["content"] for token in self._content["added_tokens"]}
        new = [token for token in config.added.values() if token["content"] not in known]
        whole = self._with_tokens(new, name) if new else self
        by_id = {number: token for token, number in whole.special_tokens.items()}
        starts = [by_id.get(number) for number in config.start_ids]
        ends = [by_id.get(number) for number in config.end_ids]
        whole.configured_starts = tuple(filter(None, (config.start, *starts)))
        whole.configured_ends = tuple(filter(None, (config.end, *ends)))
        whole.chat_template = config.chat_template
        if config.is_ours and not (config.adds_start or config.adds_end):
            whole.template = Template()
        whole.has_replaced(self)
        return whole

    def with_flags(self, config: TokenizerConfig) -> "Tokenizer":
        """The tokenizer with the template of its class, ``add_bos_token`` and ``add_eos_token``.

        These count for vocabularies that say nothing themselves; a tokenizer.json does.
        """
        if config.frame is not None:
            first, last = (self.special_tokens.get(name) for name in config.frame)
            if first is not None and last is not None:
                self.template = Template((first,), (last,))
            return self
        starts = STARTS_OF_TEXT if config.start is None else (config.start,)
        start = next(
            (self.special_tokens[one] for one in starts if one in self.special_tokens), None
        )
        end = self.end_of_text
        self.template = Template(
            (start,) if config.adds_start and start is not None else (),
            (end,) if config.adds_end and end is not None else (),
        )
        return self

    def _with_tokens(self, new: Sequence[Mapping[str, Any]], name: str) -> "Tokenizer":
        content = json.loads(self._inner.to_str())
        content["added_tokens"] = sorted([*content["added_tokens"], *new], key=itemgetter("id"))
        vocabulary = content["model"]["vocab"]
        following = [token["id"] for token in new if token["content"] not in vocabulary]
        first = self._inner.get_vocab_size()
        if isinstance(vocabulary, dict) and following != [*range(first, first + len(following))]:
            # The library numbers added tokens itself, unless the vocabulary has them too.
            vocabulary |= {token["content"]: token["id"] for token in new}
        for token in new:
            holder = self._inner.id_to_token(token["id"])
            if holder not in (None, token["content"]):
                raise _misfit(token, name, f"which is that of {holder!r:.80}")
        whole = Tokenizer.from_json(json.dumps(content), name)
        for token in new:
            if (found := whole._inner.token_to_id(token["content"])) != token["id"]:
                raise _misfit(token, name, f"which cannot be given to it (it would be {found})")
        return whole

    def with_chat_template(self, template: str | None) -> "Tokenizer":
        """The same tokenizer with that chat template, or with none."""
        if template == self.chat_template:
            return self
        other = copy.copy(self)
        other.chat_template = template
        return other

    def extended(self, names: Iterable[str]) -> "Tokenizer":
        """The tokenizer with these special tokens; those that it lacks become the last ids.

        Text gets the ids that it had. UsageError where a name is that of an ordinary token.
        """
        new: list[dict[str, Any]] = []
        for name in dict.fromkeys(names):
            if name in self.special_tokens:
                continue
            if self._inner.token_to_id(name) is not None:
                raise UsageError(
                    f"{name!r} is a token that text can become in this tokenizer, so it cannot be "
                    "a special one: choose another name for it"
                )
            new.append(special_token(name, self._n_ids + len(new)))
        if not new:
            return self
        whole = self._with_tokens(new, TOKENIZER_FILE)
        whole.template, whole.dropout = self.template, self.dropout
        whole.assumptions = self.assumptions
        whole.configured_starts = self.configured_starts
        whole.configured_ends = self.configured_ends
        whole.chat_template = self.chat_template
        return whole

    def extends(self, other: "Tokenizer") -> bool:
        """Whether this is ``other`` with special tokens appended as the last ids, or its equal."""
        return is_extension(self._content, other.content, other._n_ids)

    @property
    def is_bare(self) -> bool:
        """Whether tokenizer.json has a template that is not used, as in runs trained without."""
        return bool(self._written_template) and not self.template

    @cached_property
    def identity(self) -> str:
        """Sha256 of everything that decides the ids, regardless of how the file is formatted."""
        return tokenizer_identity(self._content)

    @cached_property
    def former_identities(self) -> frozenset[str]:
        """The identities of this tokenizer in files that earlier versions wrote."""
        return self._earlier | {former_identity(self._content)}

    def has_identity(self, identity: str) -> bool:
        """Whether ``identity`` is that of this tokenizer, also if an earlier version gave it."""
        return identity == self.identity or identity in self.former_identities

    def has_replaced(self, other: "Tokenizer") -> None:
        """Take over the identities of ``other``, which earlier versions made of the same files."""
        if other is not self:
            self._earlier |= {other.identity, *other.former_identities}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of it."""
        found = [*self.assumptions]
        if self.dropout is not None:
            found.append(
                f"the tokenizer's BPE dropout ({self.dropout:.3g}), which draws other tokens for "
                "the same text each time, is off"
            )
        around = (*self._written_template.before, *self._written_template.after)
        if beyond := [number for number in around if number >= self._n_ids]:
            found.append(
                f"the tokenizer's post_processor puts the id {beyond[0]:,} around a text, which no "
                f"token has (they go up to {self._n_ids - 1:,}), so it is left out"
            )
        return tuple(found)

    def to_json(self) -> str:
        """The text of tokenizer.json, the same for the same tokenizer."""
        inner = self._inner
        if self.template != self._written_template:
            names = dict(enumerate(self._pieces))
            content = json.loads(inner.to_str())
            content["post_processor"] = post_processor_of(self.template, names)
            inner = tokenizers.Tokenizer.from_str(json.dumps(content))
        return inner.to_str(pretty=True) + "\n"

    def encode(self, text: str, add_special_tokens: bool = False) -> NDArray[np.int64]:
        """The ids of ``text``; with ``add_special_tokens`` its template is around them.

        Raises UnseenCharacterError where a character has no id.
        """
        ids = self._table.encode(text) if self._table else self._library_ids(text)
        self.check_ids(ids)
        return self.template.around(ids) if add_special_tokens else ids

    def _library_ids(self, text: str) -> NDArray[np.int64]:
        return np.array(self.encode_batch([text])[0], dtype=np.int64)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text; the library uses several threads."""
        encode = partial(self._inner.encode_batch_fast, list(texts), add_special_tokens=False)
        try:
            limited = partial(in_time, sum(map(len, texts)), encode)
            found = limited() if self._may_be_slow else encode()
        except (KeyboardInterrupt, MemoryError, CheckpointError):
            raise
        except BaseException as error:  # a panic, of a regex that gives up for one, is no Exception
            raise DataError(f"the tokenizer cannot encode this text: {error}") from error
        return [encoding.ids for encoding in found]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``.

        Raises UsageError for an id outside the vocabulary, CheckpointError where the tokenizer's
        own decoder gives up.
        """
        wanted = ids.tolist() if isinstance(ids, np.ndarray) else [int(number) for number in ids]
        for number in (min(wanted), max(wanted)) if wanted else ():
            self._check(number)
        if self._table:
            return "".join([self._pieces[number] for number in wanted])
        try:
            return str(self._inner.decode(wanted, skip_special_tokens=False))
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:  # a panic, of a decoder that cuts too much, for one
            raise CheckpointError(
                f"the tokenizer cannot decode its tokens ({error}): download it or make it again"
            ) from error

    def piece(self, number: int) -> str:
        """The text of one token; its name in the vocabulary where it alone has no text."""
        self._check(number)
        text = "" if self._table else self.decode([number])
        return text or self._pieces[number] or f"<id {number}>"

    def _check(self, number: int) -> None:
        if not 0 <= number < self.vocab_size:
            raise UsageError(
                f"token id {number} is not in the vocabulary: ids are 0 to {self.vocab_size - 1}"
            )


def _misfit(token: Mapping[str, Any], name: str, why: str) -> CheckpointError:
    return CheckpointError(
        f"{name}: the token {token['content']!r:.80} beside it has the id {token['id']}, {why}: "
        "the files do not belong together, download all of them again"
    )


def write_tokenizer(directory: Path, tokenizer: Tokenizer) -> None:
    """Write a tokenizer.json, and beside it the end of text where that file does not tell it.

    The template is said there, too: what was written before there were templates has none. A
    chat template is a file of its own.
    """
    write_text(directory / TOKENIZER_FILE, tokenizer.to_json())
    if tokenizer.chat_template is not None:
        write_text(directory / CHAT_TEMPLATE_FILE, tokenizer.chat_template)
    settings = template_settings(tokenizer)
    bare, end = copy.copy(tokenizer), tokenizer.end_of_text
    bare.configured_ends = ()
    if bare.end_of_text != end:
        name = next(name for name, number in tokenizer.special_tokens.items() if number == end)
        settings["eos_token"] = name
    if settings:
        write_json(directory / TOKENIZER_CONFIG_FILE, settings)


def template_settings(tokenizer: Tokenizer) -> dict[str, Any]:
    """What a tokenizer_config.json says about the template; nothing where there is none."""
    before, after = tokenizer.template.before, tokenizer.template.after
    first = {"bos_token": tokenizer.piece(before[0])} if before else {}
    flags = {"add_bos_token": bool(before), "add_eos_token": bool(after)}
    return {**first, **flags} if tokenizer.template else {}


@contextlib.contextmanager
def _without_panic_messages() -> Iterator[None]:
    """Hide the message that the library's Rust code writes to stderr before a panic."""
    sys.stderr.flush()
    with Path(os.devnull).open("wb") as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _pieces_by_id(inner: tokenizers.Tokenizer) -> tuple[list[str], tuple[int, ...]]:
    """The name of every id, empty for those that are missing, and the missing ones."""
    vocabulary = inner.get_vocab(with_added_tokens=True)
    by_id = {number: piece for piece, number in vocabulary.items()}
    if not by_id or len(by_id) != len(vocabulary):
        raise ValueError("it has no tokens, or two with the same id")
    if max(by_id) > LARGEST_ID:
        raise ValueError(f"its id {max(by_id):,} is above {LARGEST_ID:,}")
    numbers = range(max(by_id) + 1)
    missing = tuple(number for number in numbers if number not in by_id)
    return [by_id.get(number, "") for number in numbers], missing
