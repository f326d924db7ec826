"""Boundaries are where their definition says, and the same whoever reads which range."""

import os
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gptcli.config.data import ReadOptions
from gptcli.data.corpus.cutting import SAFE_PLACES
from gptcli.data.corpus.text_reader import TextReader
from gptcli.errors import DataError
from gptcli.tokenization.splits import Cuts

SIGNS = {Cuts.WORDS: " \n", Cuts.SPACES: " ", Cuts.ANYWHERE: "", Cuts.NOWHERE: ""}

quick = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text("ab_ \n\r\tég१ा́中😀\ufeff\0", max_size=200).map(str.encode)
broken = st.lists(
    st.sampled_from(
        [b"a", b" ", b"\n", "é".encode(), "😀".encode(), b"\xf0\x9f", b"\x80", b"\xe4\xb8", b"\xff"]
    ),
    max_size=80,
).map(b"".join)
contents = texts | broken | st.binary(max_size=150)
all_cuts = st.sampled_from(list(Cuts))
steps = st.integers(4, 40)


def places(content: bytes) -> dict[int, tuple[str, str]]:
    """The characters before and after each place between two of them; invalid bytes count."""
    text = content.decode("utf-8", "surrogateescape")
    offset, found = 0, {}
    for before, after in pairwise(text):
        offset += len(before.encode("utf-8", "surrogateescape"))
        found[offset] = (before, after)
    return found


def expected_boundaries(content: bytes, cuts: Cuts, step: int) -> list[int]:
    """By the definition, on text that is UTF-8."""
    between, boundaries = places(content), []
    for start in range(step, len(content), step):
        inside = [place for place in between if start <= place < start + step]
        safe = [
            place
            for place in inside
            if between[place][0].isalnum() and between[place][1] in (*SIGNS[cuts],)
        ]
        boundaries += safe[:1] or inside[:1]
    return boundaries


def read(reader, start=0, end=None):
    return [(one.offset, one.content, one.is_last) for one in reader.chunks(start, end)]


def text_reader(make_input, content, cuts, step, name="input.txt", errors="strict"):
    return TextReader(make_input(content, name), ReadOptions(errors), cuts, step)


@quick
@given(texts, all_cuts, steps)
@example(b"x" * 100, Cuts.WORDS, 16)
@example("😀".encode() * 30, Cuts.WORDS, 5)
def test_boundaries_are_the_first_safe_places_else_between_characters(
    make_input, content, cuts, step
):
    chunks = read(text_reader(make_input, content, cuts, step))
    assert [offset for offset, _, _ in chunks][1:] == expected_boundaries(content, cuts, step)


@quick
@given(contents, all_cuts, steps)
def test_chunks_are_the_content_and_short(make_input, content, cuts, step):
    reader = text_reader(make_input, content, cuts, step)
    offset = 0
    chunks = list(reader.chunks())
    for chunk in chunks:
        assert chunk.offset == offset
        assert 0 < chunk.n_bytes == len(chunk.content) < 2 * step
        offset += chunk.n_bytes
    assert b"".join(chunk.content for chunk in chunks) == content
    assert [one.is_last for one in chunks] == [False] * (len(chunks) - 1) + [True] * (
        len(chunks) > 0
    )


@quick
@given(contents, all_cuts, steps, st.integers(1, 100))
def test_ranges_give_the_chunks_of_the_whole(make_input, content, cuts, step, n_bytes):
    reader = text_reader(make_input, content, cuts, step)
    ranges = reader.ranges(n_bytes)
    assert [start for start, _ in ranges[1:]] == [end for _, end in ranges[:-1]]
    assert (ranges[0][0], ranges[-1][1]) == (0, None)
    parts = [chunk for start, end in ranges for chunk in read(reader, start, end)]
    assert parts == read(reader)


@quick
@given(contents, all_cuts, steps, st.data())
def test_any_start_and_end_are_boundaries(make_input, content, cuts, step, data):
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.none() | st.integers(start, len(content)))
    reader = text_reader(make_input, content, cuts, step)
    stop = len(content) if end is None else end
    inner = [offset for offset, _, _ in read(reader) if start < offset < stop]
    boundaries = [start, *inner, stop] if start < stop else []
    parts = [content[a:b] for a, b in pairwise(boundaries)]
    is_last = [after == len(content) for after in boundaries[1:]]
    assert read(reader, start, end) == list(zip(boundaries, parts, is_last, strict=False))


@quick
@given(contents, all_cuts, steps, st.sampled_from(["replace", "ignore"]))
def test_no_cut_changes_what_bytes_decode_to(make_input, content, cuts, step, errors):
    reader = text_reader(make_input, content, cuts, step, errors=errors)
    parsed = [reader.parse(chunk) for chunk in reader.chunks()]
    text = "".join(part.text for one in parsed for doc in one.documents for part in doc.parts)
    assert text == content.decode("utf-8", errors)
    whole = content.decode("utf-8", "replace")
    invalid = whole.count("\ufffd") - content.decode("utf-8", "ignore").count("\ufffd")
    assert sum(one.n_replaced for one in parsed) == invalid


@quick
@given(contents, all_cuts, steps, st.sampled_from(["input.txt.gz", "input.txt.zst"]), st.data())
def test_compressed_input_has_the_chunks_of_the_plain_one(
    make_input, content, cuts, step, name, data
):
    plain = text_reader(make_input, content, cuts, step)
    packed = text_reader(make_input, content, cuts, step, name)
    start = data.draw(st.integers(0, len(content)))
    assert packed.ranges(step) == [(0, None)]
    assert read(packed) == read(plain)
    assert read(packed, start) == read(plain, start)


def test_a_long_line_is_cut_by_force(make_input):
    step = 2**15
    reader = text_reader(make_input, b"x" * 2**20, Cuts.WORDS, step)
    assert [offset for offset, _, _ in read(reader)] == list(range(0, 2**20, step))


@pytest.mark.parametrize("far", [250, 300, 2**14 - 2, 2**14 + 2, 2**15 - 1])
@pytest.mark.parametrize("word", ["a", "é", "中", "\U0001d7d8"])
def test_safe_place_is_found_however_far_in_the_block(make_input, far, word):
    step = 2**15
    content = b"-" * (step + far - len(word.encode())) + word.encode() + b" " + b"-" * step
    offsets = [offset for offset, _, _ in read(text_reader(make_input, content, Cuts.WORDS, step))]
    assert offsets[:2] == [0, step + far]


def test_every_alphanumeric_character_makes_a_place_safe_and_no_other(make_input):
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    text = "".join(character + " " for character in characters)
    matched = {text[match.start() - 1] for match in SAFE_PLACES[Cuts.WORDS].finditer(text)}
    assert matched == {character for character in characters if character.isalnum()}


def test_input_that_changes_while_it_is_read_is_refused(make_input):
    reader = text_reader(make_input, b"some words " * 100, Cuts.WORDS, 64)
    chunks = reader.chunks()
    next(chunks)
    with reader.source.path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match="changed while it was read"):
        list(chunks)
    hidden = text_reader(make_input, b"some words " * 100, Cuts.WORDS, 64)
    before = hidden.source.path.stat()
    hidden.source.path.write_bytes(b"more words " * 100)
    os.utime(hidden.source.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DataError, match="changed while it was read"):
        list(hidden.chunks())
    reader.source.path.unlink(missing_ok=True)
    with pytest.raises(DataError, match="disappeared while it was read"):
        reader.source.check_unchanged()
