"""Training tokenizers on text.

All of them are lossless: decoding gives the encoded text with its white space, except for words
that ``word`` and characters that ``char`` have not learned. The others can fall back to bytes.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from gptcli.errors import DataError, UsageError
from gptcli.runtime.progress import Advance, no_progress
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.feeding import Feed
from gptcli.tokenization.kinds import UNK, TokenizerSpec
from gptcli.tokenization.splits import (
    SPACED_WORD_SPLIT,
    UNIGRAM_SPLIT,
    WORD_SPLIT,
    WORDPIECE_SPLIT,
)
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.unigram import alphabet_of, learn_pieces

CONTINUES = "##"  # begins the pieces of wordpiece that continue a word
_LONGEST_WORD = 256  # bytes; WORDPIECE_SPLIT makes no longer ones
_DECIMALS = 10  # of a score; with more, the library may read another number than it wrote
_BYTE_NAMES = tuple(f"<0x{value:02X}>" for value in range(256))
# The characters in the names of special tokens, so that text can contain these names.
_NEEDED = sorted({*"".join(_BYTE_NAMES), *UNK})
# The words of UNIGRAM_SPLIT, long ones divided: training takes the square of a word's length.
_SPACED_WORDS = re.compile(r" ?\S{1,512}|\s{1,512}(?!\S)|\s{1,512}")


def train_tokenizer(
    spec: TokenizerSpec,
    texts: Iterable[str],
    advance: Advance = no_progress,
) -> Tokenizer:
    """Train the tokenizer that ``spec`` asks for on ``texts``, which are read once, in order.

    A text is a chunk of at most about 1 MiB that was cut where Cuts.WORDS allows.
    ``advance`` is called with the UTF-8 bytes of each text consumed. The same texts give the
    same tokenizer, byte for byte. It may have fewer tokens than asked for where there is
    little text. Raises DataError where there is no text, UsageError where the vocabulary is
    too small for the tokens that every text needs.
    """
    feed = Feed(texts, advance)
    if spec.kind == "char":
        return character_tokenizer(_characters(feed), spec.unk, spec.special_tokens)
    inner = _MAKERS[spec.kind](spec, feed)
    feed.check()
    inner.add_special_tokens(list(spec.special_tokens))
    return Tokenizer(inner)


def character_tokenizer(
    characters: Iterable[str], unk: bool = False, special_tokens: Sequence[str] = ()
) -> Tokenizer:
    """A tokenizer of the distinct ``characters``, ids in the order of their code points.

    ``characters`` may be a text. With ``unk`` the next id stands for every other character;
    without, encoding one is an error. The ``special_tokens`` follow.
    """
    alphabet = sorted(set(characters))
    if not alphabet:
        raise DataError("the text is empty: give some text to make a tokenizer from")
    vocabulary = {character: number for number, character in enumerate(alphabet)}
    if unk:
        vocabulary[UNK] = len(vocabulary)
    inner = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=UNK))
    # The empty pattern matches between any two characters; Fuse joins without spaces.
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner.decoder = decoders.Fuse()
    inner.add_special_tokens(list(special_tokens))
    return Tokenizer(inner)


def _characters(feed: Feed) -> set[str]:
    characters: set[str] = set()
    for text in feed.texts():
        characters.update(text)
    feed.check()
    return characters


def _bytes(spec: TokenizerSpec, feed: Feed) -> tokenizers.Tokenizer:
    """A token for each byte; the text is read but does not matter."""
    for _ in feed.texts():
        pass
    vocabulary = {letter: value for value, letter in enumerate(byte_letters())}
    inner = tokenizers.Tokenizer(models.BPE(vocabulary, []))
    # Without merges, splitting changes no ids, but spares the library words of a megabyte.
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return inner


def _byte_pairs(spec: TokenizerSpec, feed: Feed) -> tokenizers.Tokenizer:
    """GPT-2's kind: merges of bytes within words."""
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_room(spec, 256, "bytes"),
        initial_alphabet=list(byte_letters()),
        show_progress=False,
    )
    inner.train_from_iterator(feed.pieces(), trainer)
    return inner


def _words(spec: TokenizerSpec, feed: Feed) -> tokenizers.Tokenizer:
    """The most frequent words, white spaces and punctuation marks, and <unk> for the others."""
    inner = tokenizers.Tokenizer(models.WordLevel(unk_token=UNK))
    inner.pre_tokenizer = _split(SPACED_WORD_SPLIT if spec.word_space else WORD_SPLIT)
    room = _room(spec, 2, f"{UNK} and a word")
    trainer = trainers.WordLevelTrainer(vocab_size=room - 1, show_progress=False)
    inner.train_from_iterator(feed.pieces(divide_words=False), trainer)
    learned = inner.get_vocab()
    inner.model = models.WordLevel({**learned, UNK: len(learned)}, unk_token=UNK)
    inner.decoder = decoders.Fuse()
    return inner


def _word_pieces(spec: TokenizerSpec, feed: Feed) -> tokenizers.Tokenizer:
    """BERT's kind, on bytes: the longest piece that fits, then the longest that continues."""
    letters = sorted(byte_letters())
    continuing = [CONTINUES + letter for letter in letters]
    inner = tokenizers.Tokenizer(models.WordPiece(unk_token=UNK))
    spelt = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.pre_tokenizer = pre_tokenizers.Sequence([_split(WORDPIECE_SPLIT), spelt])
    trainer = trainers.WordPieceTrainer(
        vocab_size=_room(spec, 512, "bytes, at the beginning of words and within,"),
        initial_alphabet=letters,
        special_tokens=continuing,  # else their ids, and the order of merges, vary
        continuing_subword_prefix=CONTINUES,
        show_progress=False,
    )
    inner.train_from_iterator(feed.pieces(), trainer)
    learned = inner.get_vocab()
    merged = sorted(learned.keys() - {*letters, *continuing}, key=learned.__getitem__)
    return _word_piece_tokenizer([*letters, *continuing, *merged], inner.pre_tokenizer)


def _word_piece_tokenizer(
    pieces: list[str], pre_tokenizer: pre_tokenizers.PreTokenizer
) -> tokenizers.Tokenizer:
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    model = models.WordPiece(vocabulary, unk_token=UNK, max_input_chars_per_word=_LONGEST_WORD)
    model.continuing_subword_prefix = CONTINUES
    inner = tokenizers.Tokenizer(model)
    inner.pre_tokenizer = pre_tokenizer
    # A # in the text is a word by itself, so that ## at the beginning of a piece is never text.
    joined = decoders.Replace(tokenizers.Regex(f"^{CONTINUES}"), "")
    inner.decoder = decoders.Sequence([joined, decoders.ByteLevel()])
    return inner


def _unigrams(spec: TokenizerSpec, feed: Feed) -> tokenizers.Tokenizer:
    """SentencePiece's kind: the likeliest pieces of words with the space before them, or bytes.

    Spaces are not written as U+2581, as SentencePiece does, so that a U+2581 in text is kept.
    """
    words: Counter[str] = Counter()
    for text in feed.texts():
        words.update(_SPACED_WORDS.findall(text))
    feed.check()
    alphabet = alphabet_of(words, _NEEDED)
    room = _room(spec, len(alphabet) + 257, f"characters, bytes and {UNK}") - 257
    taken = frozenset({UNK, *_BYTE_NAMES, *spec.special_tokens})
    learned = learn_pieces(words, alphabet, room, taken)
    pieces = [(piece, round(score, _DECIMALS)) for piece, score in learned]
    # A token that is not text must be less likely than the characters of its name.
    worst = round(min(score for _, score in pieces) * len(_BYTE_NAMES[0]) - 1, _DECIMALS)
    vocabulary = [*((name, worst) for name in _BYTE_NAMES), *pieces, (UNK, worst)]
    unk_id = len(vocabulary) - 1
    inner = tokenizers.Tokenizer(models.Unigram(vocabulary, unk_id, byte_fallback=True))
    inner.pre_tokenizer = _split(UNIGRAM_SPLIT)
    inner.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return inner


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")


def _room(spec: TokenizerSpec, needed: int, what: str) -> int:
    """The size without special tokens; UsageError where it is less than ``needed``."""
    n_special = len(spec.special_tokens)
    least = needed + n_special
    if spec.size < least:
        special = f" and {n_special} special" if n_special else ""
        enough = 2 ** (least - 1).bit_length()
        raise UsageError(
            f"--vocab-size {spec.size:,} is too small for {spec.kind}: {needed:,} {what}{special} "
            f"need {least:,} tokens: try --vocab-size {enough}"
        )
    return spec.size - n_special


_Maker = Callable[[TokenizerSpec, Feed], tokenizers.Tokenizer]
_MAKERS: Mapping[str, _Maker] = MappingProxyType(
    {
        "byte": _bytes,
        "word": _words,
        "bpe": _byte_pairs,
        "wordpiece": _word_pieces,
        "unigram": _unigrams,
    }
)
