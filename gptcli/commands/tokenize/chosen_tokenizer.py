"""Choosing the tokenizer: a given one, one made from the text, or the newest dataset's."""

from dataclasses import dataclass
from typing import Any

from gptcli.commands.choices import stored_tokenizer
from gptcli.commands.tokenize.text_source import TextSource, TrainingSample
from gptcli.commands.view.progress_bar import progress
from gptcli.commands.view.terminal import note
from gptcli.data.dataset import newest_dataset
from gptcli.errors import UsageError
from gptcli.runtime.escapes import named
from gptcli.runtime.files import is_there
from gptcli.tokenization.kinds import TokenizerSpec, named_kind
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import train_tokenizer
from gptcli.tokenization.unseen import UnseenCharacterError

_EVERY_CHARACTER = "char"  # the one kind that must see all of a text
_UNTRAINED = "byte"


@dataclass(frozen=True)
class ChosenTokenizer:
    """A tokenizer, and where it is from, for messages."""

    tokenizer: Tokenizer
    origin: str

    def document(self) -> dict[str, Any]:
        """The tokenizer's section in a JSON document."""
        template = self.tokenizer.template
        added = {"around_text": {"before": template.before, "after": template.after}}
        return {
            "origin": self.origin,
            "kind": self.tokenizer.kind,
            "vocab_size": self.tokenizer.vocab_size,
            "identity": self.tokenizer.identity,
            **(added if template else {}),
        }


def choose_tokenizer(
    asked: str | None, pattern: str | None, source: TextSource | None
) -> ChosenTokenizer:
    """The given tokenizer, else the newest dataset's, else the characters of the text.

    ``source`` is the text to train on, if there is one.
    """
    if asked is not None:
        return named_tokenizer(asked, pattern, source)
    try:
        found = newest_dataset()
    except UsageError:
        if source is None:
            raise UsageError(
                "no tokenizer here: give --tokenizer PATH, or --tokenizer gpt2"
            ) from None
        note("no dataset here: the characters of the text are the vocabulary")
        spec = TokenizerSpec(_EVERY_CHARACTER)
        return ChosenTokenizer(learn_tokenizer(spec, source)[0], "the text itself")
    tokenizer = Tokenizer.load(found)
    if source is not None and source.is_argument and (unseen := _unseen(tokenizer, source)):
        note(
            f"tokenizer of {found}, the newest dataset, has no token for {named(unseen)}: the "
            "characters of the text are the vocabulary (--tokenizer PATH for another)"
        )
        spec = TokenizerSpec(_EVERY_CHARACTER)
        return ChosenTokenizer(learn_tokenizer(spec, source)[0], "the text itself")
    note(f"tokenizer of {found}, the newest dataset (--tokenizer PATH for another)")
    return ChosenTokenizer(tokenizer, str(found))


def _unseen(tokenizer: Tokenizer, source: TextSource) -> str | None:
    """The first character of a short text that has no id; None where all have one."""
    try:
        for chunk in source.chunks():
            for text in chunk.read():
                tokenizer.encode(text)
    except UnseenCharacterError as error:
        return error.character
    return None


def named_tokenizer(name: str, pattern: str | None, source: TextSource | None) -> ChosenTokenizer:
    """A new tokenizer of a kind such as ``bpe:512`` from ``source``; else load ``name``."""
    spec = named_kind(name, pattern)
    if spec is None:
        tokenizer = stored_tokenizer(name, pattern)
        for text in tokenizer.notes:
            note(text)
        return ChosenTokenizer(tokenizer, name)
    if is_there(name):
        note(f"{name} is a kind of tokenizer: for the path of that name write ./{name}")
    if spec.kind == _UNTRAINED:
        return ChosenTokenizer(train_tokenizer(spec, ["it does not depend on the text"]), name)
    if source is None:
        raise UsageError(f"{name} is made from a text, and none was given: add --file FILE")
    return ChosenTokenizer(learn_tokenizer(spec, source)[0], f"{name}, made from this text")


def learn_tokenizer(spec: TokenizerSpec, source: TextSource) -> tuple[Tokenizer, TrainingSample]:
    """Train a tokenizer on ``source``; a large one is sampled evenly, which a note tells."""
    sample = source.training_sample(is_whole=spec.kind == _EVERY_CHARACTER)
    if sample.every > 1:
        note(f"{spec.kind} learns from {share_of(sample)}")
    with progress(f"training {spec.kind}", sample.n_bytes, "bytes") as advance:
        return train_tokenizer(spec, sample.texts(), advance), sample


def share_of(sample: TrainingSample) -> str:
    """How much of the text is used for training, in words."""
    if sample.every == 1:
        return f"{sample.n_bytes:,} bytes"
    total = "" if sample.n_total is None else f" of {sample.n_total:,}"
    part = f"one chunk in {sample.every:,}, evenly spread"
    return f"{sample.n_bytes:,}{total} bytes: {part}"
