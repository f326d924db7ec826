import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptcli.config.data import ReadOptions
from gptcli.data.corpus.jsonl_reader import JsonlReader
from gptcli.errors import DataError

quick = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def reader_of(source, options=ReadOptions(), step=32):  # noqa: B008
    return JsonlReader(source, options, step=step)


def parsed(reader):
    results = [reader.parse(chunk) for chunk in reader.chunks()]
    return (
        [document for one in results for document in one.documents],
        [problem for one in results for problem in one.problems],
        sum(one.n_replaced for one in results),
    )


def text_of(document):
    return "".join(part.text for part in document.parts)


@quick
@given(
    st.lists(texts, max_size=20),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]),
    st.booleans(),
    st.sampled_from(["in.jsonl", "in.ndjson.gz", "in.JSONL.zst"]),
    st.integers(4, 64),
)
def test_documents_are_what_json_wrote(make_input, written, ascii, end, is_ended, name, step):
    lines = [json.dumps({"text": text}, ensure_ascii=ascii) for text in written]
    content = (end.join(lines) + (end if is_ended else "")).encode()
    reader = reader_of(make_input(content, name), step=step)
    documents, problems, n_replaced = parsed(reader)
    assert [text_of(document) for document in documents] == written
    assert (problems, n_replaced) == ([], 0)
    for document, line in zip(documents, lines, strict=True):
        assert content[document.offset :].startswith(line.encode())
        assert document.key == hashlib.sha256(text_of(document).encode()).digest()
        assert document.is_start and document.is_end


@quick
@given(
    st.lists(st.binary(max_size=30), max_size=20).map(b"\n".join),
    st.integers(4, 40),
    st.integers(1, 100),
)
def test_chunks_are_whole_lines_whatever_the_range(make_input, content, step, n_bytes):
    reader = reader_of(make_input(content, "in.jsonl"), step=step)
    chunks = list(reader.chunks())
    assert b"".join(one.content for one in chunks) == content
    assert all(one.content.endswith(b"\n") or one.is_last for one in chunks)
    assert [one.is_last for one in chunks] == [False] * (len(chunks) - 1) + [True] * bool(chunks)
    ranges = reader.ranges(n_bytes)
    assert [start for start, _ in ranges[1:]] == [end for _, end in ranges[:-1]]
    assert [one for start, end in ranges for one in reader.chunks(start, end)] == chunks


def test_reading_can_begin_and_end_at_any_line(make_input):
    content = b"".join(b'{"text": "%d"}\n' % number for number in range(50))
    reader = reader_of(make_input(content, "in.jsonl"), step=64)
    starts = [document.offset for document in parsed(reader)[0]]
    chunks = reader.chunks(starts[7], starts[33])
    read = [text_of(one) for chunk in chunks for one in reader.parse(chunk).documents]
    assert read == [str(number) for number in range(7, 33)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", r"not JSON \(Expecting property name"),
        (b'{"text": "a"} x', r"not JSON \(Extra data, column 15\)"),
        (b"[" * 100_000, "too deeply nested"),
        (b'["text"]', "the record is a list, not an object"),
        (b"null", "the record is null"),
        (b'{"txt": "a", "b": 1}', r"no field 'text' but 'txt', 'b': name .* --field"),
        (b"{}", "no field 'text' but none at all"),
        (b'{"text": null}', "field 'text' is null, not a string"),
        (b'{"text": ["a"]}', "field 'text' is a list"),
        (b'{"text": 3}', "field 'text' is a number"),
        (b'{"text": "\\ud800"}', r"half of a surrogate pair \(\\ud800\)"),
        (b'{"prompt": "a"}', "no field 'text' but 'prompt'"),
        (b'{"text": "a", "n": ' + b"1" * 5000 + b"}", "^a number in it is too long$"),
    ],
)
def test_bad_record_is_a_problem_with_its_line(make_input, line, reason):
    content = b'{"text": "good"}\n' + line + b'\n{"text": "too"}\n'
    reader = reader_of(make_input(content, "in.jsonl"))
    documents, (problem,), _ = parsed(reader)
    assert [text_of(document) for document in documents] == ["good", "too"]
    assert reader.place(problem.offset) == "line 2"
    with pytest.raises(ValueError, match=reason):
        raise ValueError(problem.reason)
    assert "\n" not in problem.reason


def test_named_field_holds_the_text(make_input):
    content = b'{"text": "no", "body": "yes"}\n{"text": "no"}\n'
    reader = reader_of(make_input(content, "in.jsonl"), ReadOptions(field="body"))
    (document,), (problem,), _ = parsed(reader)
    assert text_of(document) == "yes"
    assert problem.reason == "no field 'body' but 'text'"


def test_byte_order_mark_before_the_records_is_none_of_them(make_input):
    (document,), problems, _ = parsed(
        reader_of(make_input(b'\xef\xbb\xbf{"text": "a"}', "in.jsonl"))
    )
    assert (text_of(document), document.offset, problems) == ("a", 0, [])


def test_invalid_bytes_are_an_error_or_counted(make_input):
    source = make_input(b'{"text": "a"}\n{"text": "\xff\xff"}\n', "in.jsonl")
    with pytest.raises(
        DataError, match=r"in\.jsonl is not UTF-8, byte 0xff at offset 24 \(line 2\)"
    ):
        parsed(reader_of(source))
    documents, _, n_replaced = parsed(reader_of(source, ReadOptions("replace")))
    assert ([text_of(one) for one in documents], n_replaced) == (["a", "\ufffd\ufffd"], 2)


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz"])
def test_endless_line_is_refused_before_it_fills_the_memory(make_input, name):
    content = b'{"text": "a"}\n' * 5 + b'{"text": "' + b"x" * 2**12
    reader = JsonlReader(make_input(content, name), ReadOptions(), step=64, longest_line=2**10)
    with pytest.raises(DataError, match=r"in\.jsonl\S* has a line longer than .* line 6"):
        list(reader.chunks())


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz"])
def test_thinned_gives_whole_chunks(make_input, name):
    content = b"".join(b'{"text": "%d"}\n' % number for number in range(500))
    reader = reader_of(make_input(content, name), step=256)
    chunks = list(reader.chunks())
    assert list(reader.thinned(1, 4)) == chunks[1::4]
