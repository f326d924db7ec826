"""Characters in groups, as vowels and spaces, and how much each group looks at each other.

H heads, T tokens, R rows of queries, G groups.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gptcli.inspection.capture import Recording, attention_modules
from gptcli.inspection.heads import Head
from gptcli.inspection.vectors import Vectors
from gptcli.model.gpt import GPT

GROUPS = (
    "newline", "line start", "space", "vowel", "consonant", "other letter", "digit", "punctuation",
)  # fmt: skip
_FEWEST_ROWS = 2  # a single token says nothing of its group


@dataclass(frozen=True)
class GroupLink:
    """How much of the attention of one group's tokens another group gets, on average.

    Attributes:
        weight: the mean over ``rows``, the tokens of ``looks`` but token 0.
        even: what it would be if those tokens looked at all of their past alike.

    """

    looks: str
    at: str
    weight: float
    even: float
    rows: int

    @property
    def ratio(self) -> float | None:
        """How many times more than evenly; None where there is nothing to look at."""
        return self.weight / self.even if self.even else None


def are_characters(texts: Sequence[str]) -> bool:
    """Whether every token is a single character, so that groups of characters make sense."""
    return all(len(text) == 1 for text in texts)


def character_groups(texts: Sequence[str]) -> list[str]:
    """The group of every character; one that follows a newline is a line start, whatever it is."""
    before = ["", *texts]
    return [_group(text, last) for text, last in zip(texts, before, strict=False)]


def head_groups(
    model: GPT, recording: Recording, texts: Sequence[str]
) -> dict[Head, list[GroupLink]]:
    """The links between the groups of a text's characters in every head, a layer at a time."""
    groups, found = character_groups(texts), dict[Head, list[GroupLink]]()
    pairs = zip(attention_modules(model), recording.layers, strict=True)
    for layer, pair in enumerate(pairs):
        vectors = Vectors.of(*pair)
        blocks = ((rows, vectors.weights(rows)) for rows in vectors.blocks())
        for index, links in enumerate(group_links(blocks, groups)):
            found[Head(layer, index)] = links
    return found


def group_links(
    blocks: Iterable[tuple[slice, Tensor]], groups: Sequence[str]
) -> list[list[GroupLink]]:
    """From every group to every group that is there: a list for each head.

    ``blocks`` are all rows of a causal pattern and their weights (H, R, T), some at a time. Row 0
    does not count: the first token can look at itself alone.
    """
    present = [group for group in GROUPS if group in groups]
    members = torch.tensor([[group == one for one in present] for group in groups]).double()
    evenly = members.cumsum(dim=0) / torch.arange(1, len(groups) + 1)[:, None]  # (T, G)
    looking = members.clone()
    looking[0] = 0.0
    sums = sum(
        looking[rows].T @ (weights.cpu().double() @ members) for rows, weights in blocks
    )  # (H, G, G)
    assert isinstance(sums, Tensor), "a text has rows"
    rows = looking.sum(dim=0)
    means = (sums / rows.clamp(min=1)[:, None]).tolist()
    even = (looking.T @ evenly / rows.clamp(min=1)[:, None]).tolist()
    return [
        [
            GroupLink(looks, at, head[i][j], even[i][j], int(rows[i]))
            for i, looks in enumerate(present)
            for j, at in enumerate(present)
            if rows[i]
        ]
        for head in means
    ]


def most_specific(links: Sequence[GroupLink]) -> GroupLink | None:
    """The link that is most above an even spread, of groups with two tokens or more."""
    counted = [link for link in links if link.rows >= _FEWEST_ROWS]
    return max(counted, key=lambda link: link.weight - link.even, default=None)


def _group(character: str, before: str) -> str:
    if character == "\n":
        return "newline"
    if before == "\n":
        return "line start"
    if character.isspace():
        return "space"
    letter = unicodedata.normalize("NFD", character)[0].lower()
    if letter in "aeiou":
        return "vowel"
    if "a" <= letter <= "z":
        return "consonant"
    if character.isalpha():
        return "other letter"
    return "digit" if character.isdigit() else "punctuation"
