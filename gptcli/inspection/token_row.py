"""One token's row in every head: what it draws from which of the tokens before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from gptcli.errors import UsageError
from gptcli.inspection.capture import Recording, attention_modules
from gptcli.inspection.heads import Head
from gptcli.inspection.vectors import Vectors
from gptcli.model.gpt import GPT


@dataclass(frozen=True)
class TokenRow:
    """The weights of the keys 0 to ``query``, in every head."""

    query: int
    weights: Mapping[Head, list[float]]

    @cached_property
    def ranked(self) -> list[Head]:
        """The heads by the largest weight on a word: a token that is not itself, nor the first."""
        return sorted(self.weights, key=lambda head: -max(self._on_words(head)))

    def strongest(self, head: Head, count: int) -> list[tuple[int, float]]:
        """The keys with the largest weights of a head, and these."""
        pairs = enumerate(self.weights[head])
        return sorted(pairs, key=lambda pair: -pair[1])[:count]

    def _on_words(self, head: Head) -> list[float]:
        return self.weights[head][1:-1] or self.weights[head]


def token_row(model: GPT, recording: Recording, query: int) -> TokenRow:
    """The row of a token in all heads; computes no other."""
    found = dict[Head, list[float]]()
    pairs = zip(attention_modules(model), recording.layers, strict=True)
    for layer, (attention, recorded) in enumerate(pairs):
        weights = Vectors.of(attention, recorded).seen_weights(slice(query, query + 1))
        for index, row in enumerate(weights[:, 0].tolist()):
            found[Head(layer, index)] = row
    return TokenRow(query, found)


def find_token(texts: Sequence[str], wanted: str, flag: str = "--token", first: int = 0) -> int:
    """The place among ``texts`` of a token by its number, or of the last one of the last such text.

    The first of the texts has the number ``first``. A word of several tokens is looked at where the
    model has read all of it.
    """
    numbers = [str(first + place) for place in range(len(texts))]
    if wanted in numbers:
        return numbers.index(wanted)
    start = "".join(texts).rfind(wanted)
    if start < 0 or not wanted:
        raise UsageError(
            f"{flag} {wanted!r} is not in the text: give a part of it, or the number of a "
            f"token, {numbers[0]} to {numbers[-1]}"
        )
    ends = accumulate(map(len, texts))
    return next(place for place, end in enumerate(ends) if end >= start + len(wanted))


def common_word(texts: Sequence[Sequence[str]]) -> str | None:
    """The longest word that all texts share, each given as its tokens; None without any."""
    shared = set.intersection(*(set("".join(tokens).split()) for tokens in texts))
    return max(shared, key=lambda word: (len(word), word), default=None)
