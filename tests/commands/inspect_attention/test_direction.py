import pytest

from gptcli.commands.inspect_attention.direction import Term, parse_direction
from gptcli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("king - man + woman", [(1, "king"), (-1, "man"), (1, "woman")]),
        ("cat", [(1, "cat")]),
        ("- man + king", [(-1, "man"), (1, "king")]),
        ("well-being - x-ray", [(1, "well-being"), (-1, "x-ray")]),
        ("' king' - ' man'", [(1, " king"), (-1, " man")]),
        ("'-' + '+'", [(1, "-"), (1, "+")]),
        ("a  -\tb", [(1, "a"), (-1, "b")]),
    ],
)
def test_words_keep_their_signs_spaces_and_hyphens(text, terms):
    assert parse_direction(text) == tuple(Term(*term) for term in terms)


@pytest.mark.parametrize("text", ["", " ", "-", "king -", "king - + man", "+ - a", "'a' - "])
def test_a_word_that_is_missing_is_an_error(text):
    with pytest.raises(UsageError, match="lacks a word"):
        parse_direction(text)
