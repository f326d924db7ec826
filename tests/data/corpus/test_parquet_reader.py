import hashlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptcli.config.data import ReadOptions
from gptcli.data.corpus.finding import find_corpus
from gptcli.data.corpus.parquet_pages import ColumnChunk, column_chunks
from gptcli.data.corpus.parquet_reader import ParquetReader
from gptcli.data.corpus.reading import open_reader
from gptcli.data.corpus.thrift_compact import CompactReader
from gptcli.errors import DataError, UsageError
from gptcli.tokenization.splits import Cuts

quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
rows_of_text = st.lists(
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=40
)


@pytest.fixture
def write(tmp_path):
    def write(column, options=ReadOptions(), name="text", step=64, **how):  # noqa: B008
        path = tmp_path / "rows.parquet"
        columns = {"id": pa.array(range(len(column))), name: column}
        pq.write_table(pa.table(columns), path, **{"row_group_size": 7, **how})
        source = find_corpus([str(path)], tmp_path).inputs[0]
        return ParquetReader(source, options, step=step, most_rows=3)

    return write


def documents_of(reader, start=0, end=None):
    results = [reader.parse(chunk) for chunk in reader.chunks(start, end)]
    return [document for one in results for document in one.documents]


def texts_of(documents):
    return [part.text for document in documents for part in document.parts]


@quick
@given(
    rows_of_text,
    st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]),
    st.sampled_from(["none", "snappy", "zstd", "gzip"]),
)
def test_documents_are_the_rows(write, rows, kind, compression):
    reader = write(pa.array(rows, pa.string()).cast(kind), compression=compression)
    results = [reader.parse(chunk) for chunk in reader.chunks()]
    documents = [document for one in results for document in one.documents]
    assert texts_of(documents) == [text for text in rows if text is not None]
    assert [one.offset for one in documents] == [i for i, t in enumerate(rows) if t is not None]
    problems = [problem for one in results for problem in one.problems]
    assert [(one.offset, one.reason) for one in problems] == [
        (row, "'text' is null") for row, text in enumerate(rows) if text is None
    ]
    for document, text in zip(documents, texts_of(documents), strict=True):
        assert document.key == hashlib.sha256(text.encode()).digest()
        assert document.is_start and document.is_end


@quick
@given(st.integers(0, 60), st.integers(1, 300), st.data())
def test_ranges_and_any_rows_give_what_the_whole_gives(write, count, n_bytes, data):
    reader = write(pa.array([f"text {number}" for number in range(count)], pa.string()))
    whole = list(reader.chunks())
    assert [one.is_last for one in whole] == [False] * (len(whole) - 1) + [True] * bool(whole)
    ranges = reader.ranges(n_bytes)
    assert [one for start, end in ranges for one in reader.chunks(start, end)] == whole
    start = data.draw(st.integers(0, count))
    end = data.draw(st.integers(start, count))
    expected = [f"text {number}" for number in range(start, end)]
    assert texts_of(documents_of(reader, start, end)) == expected
    assert reader.expected_chunks() == len(whole)
    for first, every in [(0, 1), (1, 3), (4, 5)]:
        assert list(reader.thinned(first, every)) == whole[first::every]


def test_chunks_are_small_where_rows_are_large(write):
    rows = [chr(97 + number % 26) * 1000 for number in range(40)]
    reader = write(pa.array(rows), step=2000, row_group_size=40, use_dictionary=False)
    assert {len(one.content) for one in reader.chunks()} == {1}


def test_named_column_holds_the_text(write):
    assert texts_of(documents_of(write(["a"], ReadOptions(field="body"), "body"))) == ["a"]


def test_row_counts_from_one(write):
    assert write(["a"]).place(1233) == "row 1,234"


def test_missing_column_names_those_there_are(write):
    with pytest.raises(DataError, match=r"no column 'text' but 'id', 'body': .*--field"):
        documents_of(write(["a"], name="body"))


def test_no_half_of_a_record_is_advised(tmp_path):
    columns = {"prompt": ["a"], "response": ["b"]}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    source = find_corpus([str(tmp_path / "rows.parquet")], tmp_path).inputs[0]
    with pytest.raises(DataError, match="rename response to completion"):
        list(ParquetReader(source, ReadOptions()).chunks())


def test_optional_columns_are_read_too(tmp_path):
    columns = {"id": [1], "instruction": ["Add."], "input": ["1, 2"], "output": ["3"]}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    source = find_corpus([str(tmp_path / "rows.parquet")], tmp_path).inputs[0]
    (parsed,) = [
        ParquetReader(source, ReadOptions()).parse(chunk)
        for chunk in ParquetReader(source, ReadOptions()).chunks()
    ]
    assert parsed.documents[0].texts == ("Add.\n\n1, 2", "3")


def test_a_column_can_mark_rows_that_are_only_read(tmp_path):
    columns = {"prompt": ["a", "b"], "completion": ["c", "d"], "weight": [0, 1]}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    source = find_corpus([str(tmp_path / "rows.parquet")], tmp_path).inputs[0]
    reader = ParquetReader(source, ReadOptions())
    found = [one for chunk in reader.chunks() for one in reader.parse(chunk).documents]
    assert [[part.target for part in one.parts] for one in found] == [
        [False, False], [False, True],
    ]  # fmt: skip


def test_file_without_a_column_of_text_is_refused(write, tmp_path):
    with pytest.raises(DataError, match="none of them holds text"):
        documents_of(write([{"text": "nested"}], name="meta"))


def test_records_of_several_columns_that_are_bad_are_problems(tmp_path):
    columns = {"prompt": ["a", None], "completion": ["b", "c"]}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    source = find_corpus([str(tmp_path / "rows.parquet")], tmp_path).inputs[0]
    reader = ParquetReader(source, ReadOptions())
    (parsed,) = map(reader.parse, reader.chunks())
    assert [part.target for part in parsed.documents[0].parts] == [False, True]
    assert [(one.offset, one.reason) for one in parsed.problems] == [
        (1, "field 'prompt' is null, not a string")
    ]
    assert reader.expected_bytes() > 0


def test_column_of_numbers_is_refused(write):
    with pytest.raises(DataError, match=r"column 'id' of \S+ holds int64"):
        documents_of(write(["a"], ReadOptions(field="id")))


@pytest.mark.parametrize("errors", ["replace", "ignore"])
def test_bytes_that_are_not_utf8_are_an_error_or_counted(write, errors):
    column = pa.array([b"fine", b"caf\xe9"], pa.binary())
    with pytest.raises(DataError, match="row 2 is not UTF-8, byte 0xe9 at offset 3"):
        documents_of(write(column))
    reader = write(column, ReadOptions(errors))
    results = [reader.parse(chunk) for chunk in reader.chunks()]
    texts = [text for one in results for text in texts_of(one.documents)]
    assert texts == ["fine", b"caf\xe9".decode("utf-8", errors)]
    assert [one.n_replaced for one in results] == [0, 1]


def test_cut_off_file_is_refused(write, tmp_path):
    reader = write([f"text {number}" for number in range(50)])
    whole = reader.source.path.read_bytes()
    for length in range(0, len(whole), 53):
        reader.source.path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"rows\.parquet is not valid Parquet"):
            documents_of(reader)


def test_damaged_pages_are_refused(write):
    reader = write([f"text {number}" for number in range(2000)], row_group_size=2000)
    content = bytearray(reader.source.path.read_bytes())
    content[3000:4000] = b"\xff" * 1000
    reader.source.path.write_bytes(content)
    with pytest.raises(DataError):
        documents_of(reader)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x19" * 2000, "nested too deeply"),
        (b"\x1c" * 2000, "nested too deeply"),
        (b"\x19\xfc\xff\xff\x03" + bytes(2**16), "too many values"),
        (b"\x15\x02\x05\x02\x02", "a field 1 that it cannot have"),
        (b"\x15" + b"\xff" * 5 + b"\x01", "too large for its kind"),
        (b"\x16" + b"\xff" * 20, "too long"),
    ],
)
def test_hostile_structs_are_refused(content, reason):
    with pytest.raises(ValueError, match=reason):
        CompactReader(content, 10_000).struct()


@pytest.mark.parametrize("use_dictionary", [True, False])
def test_columns_are_where_pyarrow_finds_them(tmp_path, use_dictionary):
    path = tmp_path / "rows.parquet"
    turns = [[{"role": "user", "content": "a" * n}] for n in range(9)]
    table = pa.table({"id": range(9), "messages": turns, "text": ["b"] * 9})
    pq.write_table(table, path, row_group_size=4, use_dictionary=use_dictionary)
    metadata = pq.read_metadata(path)
    with path.open("rb") as file:
        found = list(column_chunks(file))
    assert len(found) == metadata.num_row_groups == 3
    for number, group in enumerate(found):
        theirs = metadata.row_group(number)
        assert len(group) == theirs.num_columns == 4
        for index, chunk in enumerate(group):
            column = theirs.column(index)
            start = column.dictionary_page_offset or column.data_page_offset
            assert chunk == ColumnChunk(
                column.path_in_schema, column.num_values, start,
                column.total_compressed_size, column.total_uncompressed_size,
            )  # fmt: skip


def test_statistics_that_contradict_the_schema_are_refused(write):
    reader = write([f"text {number}" for number in range(20)])
    content = reader.source.path.read_bytes()
    optional, required = b"%\x02\x18\x04text", b"%\x00\x18\x04text"
    assert content.count(optional) == 1
    reader.source.path.write_bytes(content.replace(optional, required))
    with pytest.raises(DataError, match="is not valid Parquet"):
        documents_of(reader)


def test_a_few_bytes_that_stand_for_gigabytes_are_refused(write, monkeypatch):
    whole = write(pa.array(["a" * 2**22]), compression="brotli")
    assert len(texts_of(documents_of(whole))[0]) == 2**22
    monkeypatch.setattr("gptcli.data.corpus.parquet_file._LARGE", 2**21)
    with pytest.raises(DataError, match=r"bytes of row group 0 stand for 4,19"):
        documents_of(whole)


def test_missing_pyarrow_names_the_extra(write, monkeypatch):
    source = write(["a"]).source
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"pip install 'gptcli\[sources\]'"):
        open_reader(source, ReadOptions(), Cuts.WORDS)
