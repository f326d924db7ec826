"""The kinds of tokenizer that can be made from a text, and how they are written: ``bpe:4096``."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gptcli.errors import UsageError

KINDS = ("char", "byte", "word", "bpe", "wordpiece", "unigram")
SIZED_KINDS = ("word", "bpe", "wordpiece", "unigram")  # trained to a number of tokens
DEFAULT_VOCAB_SIZE = 4096  # of the sized kinds
LARGEST_VOCAB_SIZE = 2**20  # trainers take memory for all of it, and abort where there is none
END_OF_TEXT = "<|endoftext|>"
UNK = "<unk>"  # stands for every character or word that a vocabulary lacks
# Letters between signs: splits separate the two, so that no piece of a text has the whole name.
_SPECIAL = re.compile(r"<[^\s]*[^\W_][^\s]*>")
_SIZE = re.compile(r"[0-9]{1,18}")
_BYTE_NAME = re.compile(r"<0x[0-9A-F]{2}>")


@dataclass(frozen=True)
class TokenizerSpec:
    """The tokenizer to make: everything that decides it except the text.

    Raises UsageError for a tokenizer that cannot be made from any text.

    Attributes:
        kind: one of KINDS.
        vocab_size: all tokens, special ones included, for the SIZED_KINDS (None there means
            DEFAULT_VOCAB_SIZE); not allowed for the others.
        unk: whether ``char`` gets a token for characters that are not in the text. ``word``
            always has one, the others do not need it.
        special_tokens: names of tokens that text never becomes; they get the last ids.
        word_space: whether in ``word`` the space before a word belongs to the word, as in bpe.

    """

    kind: str
    vocab_size: int | None = None
    unk: bool = False
    special_tokens: tuple[str, ...] = ()
    word_space: bool = False

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        _check_size(self)
        if self.unk and self.kind not in ("char", "word"):
            raise UsageError(f"--unk is for char: {self.kind} can encode any text, leave --unk out")
        if self.word_space and self.kind != "word":
            raise UsageError(f"--word-space is for word, not for {self.kind}: leave it out")
        check_special_tokens(self.special_tokens)

    @property
    def size(self) -> int:
        """The number of tokens to train to (of a sized kind)."""
        return self.vocab_size or DEFAULT_VOCAB_SIZE

    def one_size(self, asked: str, vocab_size: int | None) -> int | None:
        """The size that ``asked`` ("--train bpe:512") or --vocab-size names.

        UsageError where both do.
        """
        if self.vocab_size is not None and vocab_size is not None:
            raise UsageError(f"{asked} and --vocab-size both give a size: leave one out")
        return self.vocab_size if vocab_size is None else vocab_size


def parse_spec(text: str) -> TokenizerSpec | None:
    """``"char"``, ``"bpe"`` or ``"bpe:512"`` as a TokenizerSpec.

    None where ``text`` names no kind: then it is a path or a hub id, or a typing error (see
    ``nearest_kind``). UsageError for a kind with a wrong size.
    """
    kind, colon, size = text.partition(":")
    if kind not in KINDS:
        return None
    if not colon:
        return TokenizerSpec(kind)
    if not _SIZE.fullmatch(size):
        raise UsageError(f"{text!r}: after {kind}: comes a number of tokens, such as bpe:4096")
    return TokenizerSpec(kind, int(size))


def named_kind(name: str, pattern: str | None) -> TokenizerSpec | None:
    """The kind that ``name`` means; None for an existing tokenizer.

    UsageError for a ``pattern`` together with a kind: it is for existing tokenizers.
    """
    spec = parse_spec(name)
    if spec is not None and pattern is not None:
        raise UsageError(f"--pattern is for .tiktoken files, not for {name}: leave it out")
    return spec


def nearest_kind(text: str) -> str | None:
    """The kind that the user may have meant by ``text``, for a message; None if none is near."""
    kind = text.partition(":")[0].lower()
    near = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.6)
    return near[0] if near else None


def misspelt_kind(name: str) -> str | None:
    """The kind that ``name`` all but spells; None where it may as well be a name on the hub."""
    near = difflib.get_close_matches(name.partition(":")[0].lower(), KINDS, n=1, cutoff=0.75)
    return near[0] if near and "/" not in name else None


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        near = nearest_kind(kind)
        hint = f"did you mean {near}?" if near else f"choose one of {', '.join(KINDS)}"
        raise UsageError(f"{kind!r} is not a kind of tokenizer: {hint}")


def _check_size(spec: TokenizerSpec) -> None:
    if spec.vocab_size is None:
        return
    if spec.kind not in SIZED_KINDS:
        raise UsageError(
            f"--vocab-size does not apply to {spec.kind}, whose size follows from the text: "
            f"leave it out, or choose one of {', '.join(SIZED_KINDS)}"
        )
    if spec.vocab_size < 1:
        raise UsageError(f"--vocab-size {spec.vocab_size} is not a size: try {DEFAULT_VOCAB_SIZE}")
    if spec.vocab_size > LARGEST_VOCAB_SIZE:
        raise UsageError(
            f"--vocab-size {spec.vocab_size} is too large: the most is {LARGEST_VOCAB_SIZE}"
        )


def check_special_tokens(names: Sequence[str]) -> None:
    """Raise UsageError for a name that no special token can have."""
    for name in names:
        is_taken = name == UNK or _BYTE_NAME.fullmatch(name)
        if is_taken or not _SPECIAL.fullmatch(name) or not name.isprintable():
            raise UsageError(
                f"special token {name!r}: write it as {END_OF_TEXT}, a name between < and >, "
                f"but not {UNK} or <0x0A>, which are reserved"
            )
    if len(set(names)) != len(names):
        raise UsageError("a special token is given twice: give each once")
