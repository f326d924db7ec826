import numpy as np
import pytest
import torch

from gptcli.inspection.groups import (
    GroupLink,
    are_characters,
    character_groups,
    group_links,
    most_specific,
)

TEXT = "To be,\nor é7\nüж"
EXPECTED = [
    "consonant", "vowel", "space", "consonant", "vowel", "punctuation", "newline",
    "line start", "consonant", "space", "vowel", "digit", "newline", "line start", "other letter",
]  # fmt: skip


def test_each_character_is_in_one_group_and_a_line_start_is_what_follows_a_newline():
    assert character_groups(list(TEXT)) == EXPECTED


def test_tokens_of_several_characters_have_no_groups():
    assert are_characters(list(TEXT))
    assert not are_characters(["a", "bc"])


def test_weights_between_groups_equal_an_explicit_sum_in_float64():
    rng = np.random.default_rng(5)
    n_tokens = len(TEXT)
    pattern = np.tril(rng.random((2, n_tokens, n_tokens)) ** 4)
    pattern /= pattern.sum(axis=-1, keepdims=True)
    halves = [(rows, torch.from_numpy(pattern[:, rows])) for rows in (slice(0, 4), slice(4, 15))]
    found = group_links(halves, EXPECTED)
    for head, links in zip(pattern, found, strict=True):
        for link in links:
            queries = [i for i in range(1, n_tokens) if EXPECTED[i] == link.looks]
            keys = np.array([group == link.at for group in EXPECTED])
            weights = [np.einsum("j,j->", head[i], keys) for i in queries]
            even = [keys[: i + 1].sum() / (i + 1) for i in queries]
            assert link.rows == len(queries)
            assert link.weight == pytest.approx(np.mean(weights), abs=1e-12)
            assert link.even == pytest.approx(np.mean(even), abs=1e-12)
        for looks in set(EXPECTED[1:]):
            assert sum(one.weight for one in links if one.looks == looks) == pytest.approx(1)


def test_an_even_head_has_ratio_one_and_what_is_not_there_has_none():
    even = torch.ones(15, 15).tril() / torch.arange(1, 16)[:, None]
    (links,) = group_links([(slice(0, 15), even[None])], EXPECTED)
    assert {round(link.ratio, 6) for link in links if link.ratio is not None} == {1.0}
    assert [link.ratio for link in links if (link.looks, link.at) == ("consonant", "digit")] == [
        None
    ]


def test_the_most_specific_link_is_furthest_above_an_even_spread():
    links = [
        GroupLink("vowel", "space", 0.9, 0.5, 5),
        GroupLink("vowel", "newline", 0.5, 0.05, 5),
        GroupLink("digit", "digit", 1.0, 0.1, 1),
    ]
    assert most_specific(links) == links[1]
    assert most_specific(links[2:]) is None
