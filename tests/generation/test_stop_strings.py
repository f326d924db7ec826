"""Stop strings: found wherever the pieces of a text are cut, nothing of them shown."""

from hypothesis import given
from hypothesis import strategies as st

from gptcli.generation.growing_text import StopStrings

LETTERS = st.text("ab\n", max_size=12)
STOPS = st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3).map(tuple)


def shortest_complete(text: str, stops: tuple[str, ...]) -> str | None:
    """The plain rule: read on until the text ends in a stop string, cut the longest of those."""
    for end in range(len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))]
    return None


@given(st.lists(LETTERS, max_size=8), STOPS)
def test_the_text_ends_before_the_first_stop_string(pieces, stops):
    watch = StopStrings(stops)
    shown = [watch.feed(piece) for piece in pieces]
    expected = shortest_complete("".join(pieces), stops)
    assert (watch.found is not None) == (expected is not None)
    written = "".join(shown) + watch.finish()
    assert written == ("".join(pieces) if expected is None else expected)


@given(st.lists(LETTERS, max_size=8), STOPS)
def test_no_more_is_held_back_than_may_begin_a_stop_string(pieces, stops):
    watch = StopStrings(stops)
    shown = ""
    for count, piece in enumerate(pieces, 1):
        shown += watch.feed(piece)
        if watch.found is None:
            held = "".join(pieces[:count])[len(shown) :]
            assert not held or any(stop.startswith(held) and stop != held for stop in stops)


def test_a_stop_string_may_span_pieces():
    watch = StopStrings(("END",))
    assert [watch.feed(piece) for piece in ("on E", "N", "D off", "more")] == ["on ", "", "", ""]
    assert watch.found == "END"
    assert watch.finish() == ""
