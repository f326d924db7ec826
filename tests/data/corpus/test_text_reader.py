import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from gptcli.config.data import ReadOptions
from gptcli.data.corpus.reading import open_reader
from gptcli.data.corpus.text_reader import STEP, STEPS, TextReader
from gptcli.errors import DataError
from gptcli.tokenization.splits import Cuts


def reader_of(source, errors="strict", step=64):
    return TextReader(source, ReadOptions(errors), Cuts.WORDS, step)


def parsed(reader):
    return [reader.parse(chunk) for chunk in reader.chunks()]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfbom",
        b"a\r\nb\rc\n\r",
        b"nul \0 inside",
        "e\u0301 \U0001f600\u200d".encode(),
        b"",
    ],
)
def test_content_is_kept_byte_for_byte(make_input, content):
    results = parsed(reader_of(make_input(content)))
    assert "".join(one.documents[0].parts[0].text for one in results).encode() == content


def test_a_text_is_one_document_in_pieces(make_input):
    content = b"some words in a line\n" * 20
    documents = [one.documents[0] for one in parsed(reader_of(make_input(content)))]
    assert len(documents) > 2
    assert [one.is_start for one in documents] == [True] + [False] * (len(documents) - 1)
    assert [one.is_end for one in documents] == [False] * (len(documents) - 1) + [True]
    assert all(part.target for one in documents for part in one.parts)
    assert documents[0].offset == 0


@pytest.mark.parametrize("name", ["input.txt", "input.txt.gz"])
@pytest.mark.parametrize("size", [10, 2**16, 2**16 + 1000])
def test_key_is_the_sha256_of_the_first_64_kib(make_input, name, size):
    content = (b"0123456 " * 2**14)[:size]
    keys = {
        one.documents[0].key for one in parsed(reader_of(make_input(content, name), step=2**12))
    }
    assert keys == {hashlib.sha256(content[: 2**16]).digest()}


@pytest.mark.parametrize("name", ["input.txt", "input.txt.zst"])
@pytest.mark.parametrize("errors", ["strict", "replace", "ignore"])
def test_pieces_parse_alike_in_threads_and_in_any_order(make_input, name, errors):
    content = ("some words, ä line\n" * 400).encode()
    reader = reader_of(make_input(content, name), errors)
    chunks = list(reader.chunks())
    copy = pickle.loads(pickle.dumps(reader))
    with ThreadPoolExecutor(4) as pool:
        backwards = list(pool.map(copy.parse, chunks[::-1]))
    assert backwards[::-1] == parsed(reader)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"fine line\n" * 30 + b"caf\xe9 au lait", r"byte 0xe9 at offset 303 \(line 31\): convert"),
        (b"fine line\n" * 30 + b"\xf0\x9f\x98", r"byte 0xf0 at offset 300 \(line 31\): find"),
        (b"\x00\x80", r"byte 0x80 at offset 1 \(line 1\): is it a binary file"),
    ],
)
@pytest.mark.parametrize("name", ["bad.txt", "bad.txt.gz"])
def test_what_is_not_utf8_is_named_with_its_place(make_input, content, says, name):
    with pytest.raises(DataError, match=rf"bad\.txt\S* is not UTF-8, {says}.*--errors replace"):
        parsed(reader_of(make_input(content, name)))


def test_replacement_character_of_the_text_is_no_error(make_input):
    content = "\ufffd and ".encode() + b"\xff\xff"
    (result,) = parsed(reader_of(make_input(content), "replace"))
    assert (result.documents[0].parts[0].text, result.n_replaced) == ("\ufffd and \ufffd\ufffd", 2)
    (result,) = parsed(reader_of(make_input(content), "ignore"))
    assert (result.documents[0].parts[0].text, result.n_replaced) == ("\ufffd and ", 2)


@pytest.mark.parametrize("name", ["input.txt", "input.txt.gz"])
def test_place_is_the_line(make_input, name):
    content = b"one\ntwo\nthree"
    reader = reader_of(make_input(content, name))
    assert [reader.place(at) for at in (0, 3, 4, 8, 100)] == [
        "line 1",
        "line 1",
        "line 2",
        "line 3",
        "line 3",
    ]


def test_forced_cuts_are_farther_apart_and_free_ones_nearer(make_input):
    source = make_input(b"text")
    steps = {cuts: open_reader(source, ReadOptions(), cuts).step for cuts in Cuts}
    assert {cuts: steps.pop(cuts) for cuts in STEPS} == STEPS
    assert STEPS[Cuts.ANYWHERE] < STEP < STEPS[Cuts.NOWHERE]
    assert set(steps.values()) == {STEP}


@pytest.mark.parametrize("name", ["input.txt", "input.txt.gz"])
def test_thinned_takes_one_stretch_in_so_many(make_input, name):
    reader = reader_of(make_input(b"some words in a line\n" * 100, name))
    chunks = list(reader.chunks())
    for first, every in [(0, 1), (0, 3), (2, 3), (5, 7), (50, 2)]:
        assert list(reader.thinned(first, every)) == chunks[first::every]


def test_expected_sizes_are_exact_for_a_plain_file(make_input):
    reader = reader_of(make_input(b"word " * 1000))
    assert reader.expected_bytes() == 5000
    assert reader.expected_chunks() == len(list(reader.chunks()))
