"""Short questions that a small model can learn to answer, of seven tasks on numbers and words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from gptcli.config.data import ArithmeticOptions
from gptcli.data.corpus.arithmetic_source import exercises
from gptcli.data.order import permute
from gptcli.runtime.seeds import derive_seed

_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxyz", "aeiou"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LENGTHS = (3, 4, 5)  # of words
_WORDS_OF_A_LENGTH = 21 * 5 * 21  # there are no more of the shortest

Item = tuple[Mapping[str, str], str]
"""What a question is about, by the names in its phrasings, and the answer."""


@dataclass(frozen=True)
class ShortQuestion:
    """A question and its answer, which is given as it is or in a sentence that ends with it."""

    text: str
    answer: str
    frame: str

    def sentence(self, answer: str) -> str:
        """A sentence that gives an answer, the right one or another."""
        return self.frame.replace("@", answer)

    def wrong_answer(self, key: int) -> str:
        """An answer that is nearly right; ``key`` chooses one."""
        nearby = _nearby_numbers if self.answer.lstrip("-").isdigit() else _nearby_words
        found = [one for one in nearby(self.answer) if one != self.answer]
        return found[key % len(found)]


@dataclass(frozen=True)
class ShortTask:
    """Questions of one kind: ``items`` are what they are about, with the answers.

    ``phrasings`` and ``frame`` have the names of an item's parts in braces, and @ for the answer.
    """

    phrasings: tuple[str, str, str]
    frame: str
    items: tuple[Item, ...]

    @property
    def size(self) -> int:
        """The number of different questions."""
        return len(self.items) * len(self.phrasings)

    def question(self, number: int) -> ShortQuestion:
        """One of ``size`` questions; a negative number counts from the last one."""
        repetition, place = divmod(number % self.size, len(self.items))
        parts, answer = self.items[place]
        phrasing = self.phrasings[(place // len(_LENGTHS) + repetition) % len(self.phrasings)]
        return ShortQuestion(phrasing.format(**parts), answer, self.frame.format(**parts))


def short_tasks(seed: int) -> tuple[ShortTask, ...]:
    """All seven tasks, with items in an order that ``seed`` decides."""
    sums, differences = (_problems(operator, seed) for operator in "+-")
    backwards, capitals, in_order, last, length = (_words(seed, name) for name in _SOLVED)
    return (
        ShortTask(("What is {a}+{b}?", "Add {a} and {b}.", "{a}+{b}=?"), "{a}+{b} is @.", sums),
        ShortTask(
            ("What is {a}-{b}?", "Take {b} from {a}.", "{a}-{b}=?"), "{a}-{b} is @.", differences
        ),
        ShortTask(
            ("Write {word} backwards.", "Reverse {word}.", "What is {word} backwards?"),
            "{word} backwards is @.",
            backwards,
        ),
        ShortTask(
            ("Write {word} in capitals.", "Capitalize {word}.", "What is {word} in capitals?"),
            "{word} in capitals is @.",
            capitals,
        ),
        ShortTask(
            ("Sort the letters of {word}.", "Sort {word}.", "What is {word} sorted?"),
            "{word} sorted is @.",
            in_order,
        ),
        ShortTask(
            ("Name the last letter of {word}.", "Which letter ends {word}?", "How ends {word}?"),
            "{word} ends with @.",
            last,
        ),
        ShortTask(
            ("Count the letters of {word}.", "How many letters has {word}?", "How long is {word}?"),
            "The length of {word} is @.",
            length,
        ),
    )


_SOLVED: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "backwards": lambda word: word[::-1],
        "capitals": str.upper,
        "sorted": lambda word: "".join(sorted(word)),
        "last": lambda word: word[-1],
        "length": lambda word: str(len(word)),
    }
)


def _problems(operator: str, seed: int) -> tuple[Item, ...]:
    """All sums or differences of two numbers below 100."""
    made = exercises(operator, ArithmeticOptions(digits=2, seed=seed))
    split = ((one.prompt.rstrip("=").split(operator), one.completion) for one in made)
    return tuple((MappingProxyType({"a": a, "b": b}), answer) for (a, b), answer in split)


def _words(seed: int, task: str) -> tuple[Item, ...]:
    """As many words of each length, in turns."""
    solve, key = _SOLVED[task], derive_seed(seed, "words", task)
    of_length = [_words_of(length, key) for length in _LENGTHS]
    words = (word for turn in zip(*of_length, strict=True) for word in turn)
    return tuple((MappingProxyType({"word": word}), solve(word)) for word in words)


def _words_of(length: int, key: int) -> list[str]:
    """Different words, in which consonants and vowels take turns."""
    alphabets = [_VOWELS if place % 2 else _CONSONANTS for place in range(length)]
    count = int(np.prod([len(one) for one in alphabets]))
    numbers = permute(np.arange(_WORDS_OF_A_LENGTH, dtype=np.int64), count, key)
    words = [""] * len(numbers)
    for alphabet in alphabets:
        numbers, letters = np.divmod(numbers, len(alphabet))
        words = [word + alphabet[n] for word, n in zip(words, letters.tolist(), strict=True)]
    return words


def _nearby_numbers(answer: str) -> list[str]:
    """A number off by 1 or 10, or with two digits swapped."""
    value = int(answer)
    swapped = [str(int(one)) for one in _swapped(answer.lstrip("-"))]
    sign = "-" * (value < 0)
    return [*(str(value + by) for by in (-10, -1, 1, 10)), *(sign + one for one in swapped)]


def _nearby_words(answer: str) -> list[str]:
    """The word with two letters swapped, or one replaced."""
    alphabet = _LETTERS.upper() if answer.isupper() else _LETTERS
    swapped = _swapped(answer)
    replaced = [
        answer[:place] + letter + answer[place + 1 :]
        for place in range(len(answer))
        for letter in alphabet
    ]
    repetitions = len(replaced) // max(1, len(swapped))  # either kind about as often
    return [*replaced, *(swapped * repetitions)]


def _swapped(text: str) -> list[str]:
    pairs = [(i, j) for i in range(len(text)) for j in range(i + 1, len(text))]
    return [text[:i] + text[j] + text[i + 1 : j] + text[i] + text[j + 1 :] for i, j in pairs]
