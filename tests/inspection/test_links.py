import pytest
import torch

from gptcli.inspection.links import Link, StrongestLinks


def strongest(pattern: torch.Tensor, count: int, at_once: int = 10, first: int = 0):
    links = StrongestLinks(count, first)
    for row in range(first, pattern.shape[1], at_once):
        links.see(pattern[:, row : row + at_once, : row + at_once], row)
    return links.of_heads(len(pattern))


def test_strongest_links_are_the_largest_weights_of_the_past_without_row_zero():
    pattern = torch.tensor([[[1.0, 0, 0], [0.4, 0.6, 0], [0.0, 0.7, 0.3]]])
    links = [(link.query, link.key) for link in strongest(pattern, 10)[0]]
    assert links == [(2, 1), (1, 1), (1, 0), (2, 2), (2, 0)]
    assert strongest(pattern, 1)[0][0].weight == pytest.approx(0.7)
    assert strongest(torch.ones(2, 1, 1), 10) == [(), ()]


@pytest.mark.parametrize("first", [0, 5])
@pytest.mark.parametrize("at_once", [1, 4, 30])
def test_they_are_those_of_the_whole_pattern_sorted(at_once: int, first: int):
    scores = 4 * torch.randn(3, 21, 21, generator=torch.Generator().manual_seed(1))
    pattern = scores.masked_fill(torch.ones(21, 21).triu(1) > 0, -torch.inf).softmax(-1)
    found = strongest(pattern, 7, at_once, first)
    for head, links in enumerate(found):
        everything = [
            Link(query, key, float(pattern[head, query, key]))
            for query in range(max(first, 1), 21)
            for key in range(first, query + 1)
        ]
        expected = sorted(everything, key=lambda link: -link.weight)[:7]
        assert list(links) == expected
