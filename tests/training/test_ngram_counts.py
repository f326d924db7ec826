"""Kneser-Ney against its textbook recursion with dictionaries."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from gptcli.training.ngram_counts import NgramCounts

VOCABULARY = 4


def _text(n: int, seed: int = 0) -> np.ndarray:
    """Tokens that depend on the one before, so that contexts matter."""
    random = np.random.default_rng(seed)
    tokens = [0]
    for _ in range(n - 1):
        likely = (tokens[-1] + 1) % VOCABULARY
        tokens.append(likely if random.random() < 0.6 else int(random.integers(VOCABULARY)))
    return np.array(tokens)


class _Naive:
    """Chen and Goodman's equations word for word, for one text."""

    def __init__(self, tokens: list[int], order: int) -> None:
        def grams(n: int) -> list[tuple[int, ...]]:
            return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]

        self.counts = {order: Counter(grams(order))}
        for n in range(order - 1, 0, -1):
            longer = set(grams(n + 1))
            self.counts[n] = Counter(gram[1:] for gram in longer)

    def probability(self, context: tuple[int, ...], token: int) -> float:
        n = len(context) + 1
        lower = 1 / VOCABULARY if n == 1 else self.probability(context[1:], token)
        counts = self.counts[n]
        followers = {gram[-1]: c for gram, c in counts.items() if gram[:-1] == context}
        if not followers:
            return lower
        n1, n2, n3, n4 = (max(1, sum(c == k for c in counts.values())) for k in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        discount = defaultdict(
            lambda: min(3.0, max(0.0, 3 - 4 * y * n4 / n3)),
            {
                0: 0.0,
                1: min(1.0, max(0.0, 1 - 2 * y * n2 / n1)),
                2: min(2.0, max(0.0, 2 - 3 * y * n3 / n2)),
            },
        )
        total = sum(followers.values())
        count = followers.get(token, 0)
        left = sum(discount[c] for c in followers.values()) / total
        return max(0.0, count - discount[count]) / total + left * lower


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_probabilities_are_those_of_the_textbook(seed: int, order: int) -> None:
    tokens = _text(120, seed)
    naive = _Naive(tokens.tolist(), order)
    other = _text(40, seed + 10)
    found = NgramCounts([tokens], VOCABULARY, order).distributions(other)
    for position in range(len(other)):
        context = tuple(other[max(0, position - order + 1) : position].tolist())
        expected = [naive.probability(context, token) for token in range(VOCABULARY)]
        np.testing.assert_allclose(found[position], expected, atol=1e-6)


def test_every_distribution_sums_to_one() -> None:
    found = NgramCounts([_text(500)], VOCABULARY, 5).distributions(_text(200, seed=1))
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    assert found.min() > 0


def test_no_ngram_spans_two_texts() -> None:
    apart = NgramCounts([np.array([0, 1] * 20), np.array([2, 3] * 20)], VOCABULARY, 2)
    after_one = apart.distributions(np.array([1, 0]))[1]
    joined = NgramCounts([np.array([0, 1] * 20 + [2, 3] * 20)], VOCABULARY, 2)
    assert after_one[2] < joined.distributions(np.array([1, 0]))[1][2]


@pytest.mark.parametrize("text", [[0, 1], [0, 0, 0, 1, 2, 3], [3, 2, 1, 0] * 3, [1]])
def test_a_text_may_end_in_what_was_not_seen_before(text: list[int]) -> None:
    counts = NgramCounts([_text(50), np.array(text)], VOCABULARY, 4)
    np.testing.assert_allclose(counts.distributions(_text(30, seed=3)).sum(1), 1, atol=1e-5)


def test_texts_shorter_than_the_order_are_counted_to_their_length() -> None:
    counts = NgramCounts([np.array([0, 1, 2]), np.array([3, 1])], VOCABULARY, 7)
    assert counts.order == 3
    np.testing.assert_allclose(counts.distributions(_text(30)).sum(1), 1, atol=1e-5)


def test_the_order_is_bounded_by_what_fits_a_number() -> None:
    counts = NgramCounts([np.arange(100) * 500], 50_257, 7)
    assert counts.order == 3
