"""Training the pieces of a unigram tokenizer (Kudo 2018), reproducibly.

The library's own trainer sums in the order of a hash table, which differs from run to run, and
so ties are decided at random. Therefore the loop is here, over sums of whole numbers; the slow
parts, the seeds (merges) and every segmentation, are computed by the library.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import models, pre_tokenizers, trainers

LONGEST_PIECE = 16  # characters
MOST_CHARACTERS = 2**24  # in the distinct words to train on, the most frequent ones
COVERAGE = 0.9995  # the share of characters that are pieces; the rest is left to bytes
_SEEDS = 4  # the number of seeds, in multiples of the pieces wanted
_KEPT = 0.75  # the share of pieces that a pruning keeps
_ROUNDS = 2  # segmentations between prunings
_RARE = 0.1  # the count of a piece that is never used
_SEPARATOR = "\0"
_BATCH = 2**14  # words
_FEED = 2**16  # characters

Pieces = dict[str, float]


def alphabet_of(words: Mapping[str, int], needed: Iterable[str] = ()) -> list[str]:
    """The most frequent characters, COVERAGE of the text, and the ``needed`` ones, sorted."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    wanted = COVERAGE * counts.total()
    chosen, covered = set(needed), 0
    for character, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        if covered >= wanted:
            break
        chosen.add(character)
        covered += count
    return sorted(chosen)


def learn_pieces(
    words: Mapping[str, int], alphabet: Sequence[str], size: int, taken: frozenset[str]
) -> list[tuple[str, float]]:
    """At most ``size`` pieces with their log-probabilities, the likeliest first.

    ``words`` are those of the text with their counts. All of the ``alphabet`` are pieces, no
    other character occurs in them, and none of them is in ``taken``.
    """
    known = _most_frequent(_of_alphabet(words, frozenset(alphabet)))
    seeds = _seeds(known, alphabet, _SEEDS * size)
    counts: Pieces = dict.fromkeys(sorted(seeds - taken), 1.0)
    listed = list(known)
    weights = np.fromiter(known.values(), dtype=np.float64)
    while True:
        for _ in range(_ROUNDS):
            scores = _log_probabilities(counts)
            counts = _segment(listed, weights, scores)
        if len(counts) <= size:
            break
        counts = _pruned(counts, scores, max(size, int(len(counts) * _KEPT)))
    by_score = _log_probabilities(counts).items()
    return sorted(by_score, key=lambda entry: (-entry[1], entry[0]))


def _of_alphabet(words: Mapping[str, int], alphabet: frozenset[str]) -> Counter[str]:
    """The words with their counts, divided at characters that are not in the alphabet."""
    known: Counter[str] = Counter()
    for word, count in words.items():
        if alphabet.issuperset(word):
            known[word] += count
        else:
            spaced = "".join(c if c in alphabet else _SEPARATOR for c in word)
            for part in spaced.split(_SEPARATOR):
                known[part] += count
    known.pop("", None)
    return known


def _most_frequent(words: Mapping[str, int]) -> dict[str, int]:
    chosen: dict[str, int] = {}
    characters = 0
    for word, count in sorted(words.items(), key=lambda entry: (-entry[1], entry[0])):
        characters += len(word)
        if characters > MOST_CHARACTERS and chosen:
            break
        chosen[word] = count
    return chosen


def _seeds(words: Mapping[str, int], alphabet: Sequence[str], size: int) -> set[str]:
    """The seeds: the tokens of a BPE trained on the words, and the alphabet."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Split(_SEPARATOR, "removed")
    trainer = trainers.BpeTrainer(
        vocab_size=size + len(alphabet),
        min_frequency=2,
        max_token_length=LONGEST_PIECE,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_repeated(words), trainer)
    return tokenizer.get_vocab().keys() | set(alphabet)


def _repeated(words: Mapping[str, int]) -> Iterator[str]:
    """Texts in which each word is repeated by its count."""
    held: list[str] = []
    n_held = 0
    for word, count in words.items():
        most = max(1, _FEED // (len(word) + 1))
        for begun in range(0, count, most):
            text = (word + _SEPARATOR) * min(most, count - begun)
            held.append(text)
            n_held += len(text)
            if n_held >= _FEED:
                yield "".join(held)
                held, n_held = [], 0
    yield "".join(held)


def _log_probabilities(counts: Pieces) -> Pieces:
    total = math.log(sum(counts.values()))
    return {piece: math.log(max(count, _RARE)) - total for piece, count in counts.items()}


def _segment(words: Sequence[str], weights: NDArray[np.float64], scores: Pieces) -> Pieces:
    """The number of times that each piece occurs in the likeliest segmentations of all words."""
    unknown = ("", min(scores.values()))  # no word needs it: all characters are pieces
    inner = tokenizers.Tokenizer(models.Unigram([unknown, *scores.items()], 0, False))
    counts = np.zeros(len(scores) + 1)
    for begin in range(0, len(words), _BATCH):
        batch, weight = words[begin : begin + _BATCH], weights[begin : begin + _BATCH]
        found = [one.ids for one in inner.encode_batch_fast(batch, add_special_tokens=False)]
        lengths = np.fromiter(map(len, found), dtype=np.int64)
        ids = np.fromiter(chain.from_iterable(found), dtype=np.int64, count=int(lengths.sum()))
        counts += np.bincount(ids, np.repeat(weight, lengths), len(counts))
    return dict(zip(scores, counts[1:].tolist(), strict=True))


def _pruned(counts: Pieces, scores: Pieces, size: int) -> Pieces:
    """Keep all characters, and those pieces whose removal costs most, ``size`` in all."""
    total = sum(counts.values())
    losses = {
        piece: _loss(piece, counts, scores, total) if count else 0.0
        for piece, count in counts.items()
        if len(piece) > 1
    }
    room = size - (len(counts) - len(losses))
    best = set(sorted(losses, key=lambda piece: (-losses[piece], piece))[: max(room, 0)])
    return {piece: n for piece, n in counts.items() if len(piece) == 1 or piece in best}


def _loss(piece: str, counts: Pieces, scores: Pieces, total: float) -> float:
    """The decrease of the text's log-likelihood if other pieces replace this one."""
    count = counts[piece]
    others = _without(piece, scores)
    log_total = math.log(total + count * (len(others) - 1))
    instead = sum(math.log(counts[other] + count) - log_total for other in others)
    return count * (math.log(count) - math.log(total) - instead)


def _without(piece: str, scores: Pieces) -> list[str]:
    """The likeliest segmentation of a piece into others."""
    best = [0.0] + [-math.inf] * len(piece)
    starts = [0] * len(best)
    for start in range(len(piece)):
        for end in range(start + 1, len(piece) + (start > 0)):
            score = scores.get(piece[start:end])
            if score is not None and best[start] + score > best[end]:
                best[end], starts[end] = best[start] + score, start
    parts, end = [], len(piece)
    while end:
        parts.append(piece[starts[end] : end])
        end = starts[end]
    return parts
