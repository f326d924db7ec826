"""Which tokenizer is meant: one that is named, one made of the text, or the newest dataset's."""

from dataclasses import replace
from typing import TYPE_CHECKING

from gptcli.commands.text_source import Source, TrainingSample, is_there
from gptcli.commands.view.progress import progress
from gptcli.commands.view.terminal import note
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from gptcli.data.preparation.tokenizer_choice import TokenizerChoice
    from gptcli.tokenization.kinds import TokenizerSpec
    from gptcli.tokenization.tokenizer import Tokenizer

_EVERY_CHARACTER = "char"  # the one kind that has to see all of a text
_UNTAUGHT = "byte"


def chosen_tokenizer(
    asked: str | None, pattern: str | None, source: Source | None
) -> "tuple[Tokenizer, str]":
    """The tokenizer and where it is from; ``source`` is the text to learn from, if there is one."""
    if asked is not None:
        return named_tokenizer(asked, pattern, source)
    from gptcli.data.dataset import newest_dataset
    from gptcli.tokenization.tokenizer import Tokenizer

    try:
        found = newest_dataset()
    except UsageError:
        if source is None:
            raise UsageError("no tokenizer here: give --tokenizer PATH, or gpt2") from None
        note("no dataset here: the characters of the text are the vocabulary")
        return named_tokenizer(_EVERY_CHARACTER, None, source)[0], "the text itself"
    note(f"tokenizer of {found}, the newest dataset (--tokenizer PATH for another)")
    return Tokenizer.load(found), str(found)


def named_tokenizer(
    name: str, pattern: str | None, source: Source | None
) -> "tuple[Tokenizer, str]":
    """A kind such as ``char`` or ``bpe:512``, made of ``source``; else what ``name`` leads to."""
    from gptcli.tokenization.kinds import SIZED_KINDS
    from gptcli.tokenization.loading import load_tokenizer

    spec = _named_kind(name, pattern)
    if spec is None:
        return load_tokenizer(name, pattern), name
    if is_there(name):
        note(f"{name} names a kind of tokenizer: for the path here write ./{name}")
    if spec.kind in SIZED_KINDS and spec.vocab_size is None:
        raise UsageError(
            f"{name} is trained to a size: write {name}:512, or load one that is trained already"
        )
    if spec.kind == _UNTAUGHT:
        from gptcli.tokenization.trainer import train_tokenizer

        return train_tokenizer(spec, ["any text gives the same"]), name
    if source is None:
        raise UsageError(f"{name} is made of a text and there is none here: give --file FILE")
    return taught_tokenizer(spec, source)[0], f"{name}, made of this text"


def taught_tokenizer(spec: "TokenizerSpec", source: Source) -> "tuple[Tokenizer, TrainingSample]":
    """A tokenizer made of ``source``, or of an even part of it where it is large, which is said."""
    from gptcli.tokenization.trainer import train_tokenizer

    training_sample = source.training_sample(is_whole=spec.kind == _EVERY_CHARACTER)
    if training_sample.every > 1:
        note(f"{spec.kind} learns from {share_of(training_sample)}")
    with progress(f"training {spec.kind}", training_sample.n_bytes, "bytes") as advance:
        return train_tokenizer(spec, training_sample.texts(), advance), training_sample


def share_of(training_sample: TrainingSample) -> str:
    """How much of the text is learnt from."""
    if training_sample.every == 1:
        return f"{training_sample.n_bytes:,} bytes"
    total = "" if training_sample.n_total is None else f" of {training_sample.n_total:,}"
    part = f"one chunk in {training_sample.every:,}, spread evenly"
    return f"{training_sample.n_bytes:,}{total} bytes: {part}"


def tokenizer_choice(
    name: str,
    *,
    vocab_size: int | None = None,
    pattern: str | None = None,
    unk: bool = False,
    special_tokens: tuple[str, ...] = (),
) -> "TokenizerChoice":
    """What ``prepare --tokenizer`` means: a kind to make, or a tokenizer that exists.

    UsageError for a flag that shapes a new tokenizer beside one that exists.
    """
    spec = _named_kind(name, pattern)
    if spec is not None:
        size = one_size(f"--tokenizer {name}", spec, vocab_size)
        return replace(spec, vocab_size=size, unk=unk, special_tokens=special_tokens)
    shaping = {"--vocab-size": vocab_size, "--unk": unk, "--special-token": special_tokens}
    if wrong := [flag for flag, value in shaping.items() if value]:
        raise UsageError(
            f"{wrong[0]} makes a new tokenizer, --tokenizer {name} takes one: leave one out"
        )
    from gptcli.tokenization.loading import load_tokenizer

    return load_tokenizer(name, pattern)


def one_size(asked: str, spec: "TokenizerSpec", vocab_size: int | None) -> int | None:
    """The size that ``asked`` ("--train bpe:512") or --vocab-size names; UsageError for both."""
    if spec.vocab_size is not None and vocab_size is not None:
        raise UsageError(f"{asked} and --vocab-size both name a size: leave one out")
    return spec.vocab_size if vocab_size is None else vocab_size


def _named_kind(name: str, pattern: str | None) -> "TokenizerSpec | None":
    """The kind that is meant; None for a tokenizer that exists, which ``pattern`` may shape."""
    from gptcli.tokenization.kinds import parse_spec

    spec = parse_spec(name)
    if spec is not None and pattern is not None:
        raise UsageError(f"--pattern is for .tiktoken files, not for {name}: leave it out")
    return spec
