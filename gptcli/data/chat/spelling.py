"""Finding the names of special tokens in a text, and hiding those that a content spells."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

HIDDEN = "\ufdd2"  # behind the first character of a name that is to stay text
_NEVER = "(?!)"  # matches nothing


@dataclass(frozen=True)
class SpecialNames:
    """How the names of special tokens are found.

    Attributes:
        whole: the names, unless they are hidden.
        anywhere: the places where a name begins, also within another.
        beginnings: the beginnings of names, without their last characters.
        first_signs: the first characters of the names.
        longest: the length of the longest name.

    """

    whole: re.Pattern[str]
    anywhere: re.Pattern[str]
    beginnings: frozenset[str]
    first_signs: frozenset[str]
    longest: int

    def found_in(self, text: str, start: int = 0) -> Iterator[re.Match[str]]:
        """The names in a text that a template wrote, from ``start`` on."""
        return self.whole.finditer(text, start)

    def hidden_in(self, content: str) -> str:
        """A content in which no name is found, nor begun where a template could write the rest."""
        if not any(sign in content for sign in self.first_signs):
            return content
        places = {found.start() + 1 for found in self.anywhere.finditer(content)}
        lengths = range(1, min(self.longest, len(content) + 1))
        places |= {len(content) + 1 - n for n in lengths if content[-n:] in self.beginnings}
        edges = [0, *sorted(places), len(content)]
        return HIDDEN.join(content[low:high] for low, high in pairwise(edges))


@lru_cache(maxsize=16)
def special_names(names: tuple[str, ...]) -> SpecialNames:
    """How these names are found; the longest one where several begin at the same place."""
    longest_first = sorted(names, key=len, reverse=True)
    whole = "|".join(map(re.escape, longest_first)) or _NEVER
    signs = frozenset(name[0] for name in names)
    first = f"[{re.escape(''.join(sorted(signs)))}]" if names else _NEVER
    return SpecialNames(
        re.compile(f"(?:{whole})(?!{HIDDEN})"),
        re.compile(f"(?={first})(?={whole})"),  # the first sign by itself, for that is fast
        frozenset(name[:length] for name in names for length in range(1, len(name))),
        signs,
        max(map(len, names), default=0),
    )
