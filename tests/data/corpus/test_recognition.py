import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcli.config.data import ReadOptions
from gptcli.data.corpus.finding import find_corpus
from gptcli.data.corpus.inputs import DocumentLayout
from gptcli.data.corpus.recognition import RecordForm, look_into, record_form, split_documents
from gptcli.errors import DataError, UsageError
from gptcli.runtime.progress import Unwatched

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 548105171\n"
KNOWN, UNKNOWN = {"text": "a"}, {"question": "a", "answer": "b"}
LINES, VALUES = RecordForm.LINES, RecordForm.VALUES


class Notes(Unwatched):
    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


@pytest.fixture
def look(tmp_path, monkeypatch):
    """``look({"a.json": b"..."}, "a.json", field="x")``: the corpus and the notes about it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spool").mkdir()

    def look(files, *sources, **options):
        for name, content in files.items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_bytes(content)
        watch, spool = Notes(), tmp_path / "spool"
        corpus = find_corpus(sources, spool)
        return look_into(corpus, sources, ReadOptions(**options), spool, watch), watch.notes

    return look


def lines(*values, **how):
    return "".join(json.dumps(value, **how) + "\n" for value in values).encode()


@pytest.mark.parametrize(
    ("start", "meant", "other"),
    [
        (lines(KNOWN), LINES, LINES),
        (lines(KNOWN, KNOWN), LINES, LINES),
        (lines(KNOWN).rstrip(), LINES, LINES),
        (b"\xef\xbb\xbf\n" + lines(KNOWN), LINES, LINES),
        (lines([KNOWN, KNOWN]), VALUES, VALUES),
        (lines([KNOWN], indent=2), VALUES, VALUES),
        (lines(KNOWN, KNOWN, indent=2), VALUES, VALUES),
        (lines(KNOWN, indent=2), VALUES, VALUES),
        (lines(UNKNOWN, UNKNOWN), LINES, None),
        (lines([UNKNOWN]), VALUES, None),
        (lines(UNKNOWN), None, None),
        (lines(UNKNOWN, indent=2), None, None),
        (lines([1, 2]), None, None),
        (lines(["text"]), None, None),
        (b"[\\section{\\text}] and {more}", None, None),
        (b"{ return text; }\n", None, None),
        (b"[[{x}]]", None, None),
        (b"", None, None),
        (b'{"text": "a", "n": ' + b"9" * 6000 + b"}", LINES, LINES),
        (b'{"text": "' + b"a" * (2**20 - 10), LINES, LINES),  # cut in a long record
    ],
)
def test_records_are_told_from_text(start, meant, other):
    assert record_form(start, None, is_named=True, is_meant=True) is meant
    assert record_form(start, None, is_named=True, is_meant=False) is other


def test_the_field_that_is_named_makes_a_record():
    one = lines({"body": "a"}, indent=2)
    assert record_form(one, "body", is_named=True, is_meant=False) is VALUES
    assert record_form(one, None, is_named=True, is_meant=True) is None


def test_a_directory_keeps_json_that_is_no_record_as_text(look):
    files = {"d/package.json": lines(UNKNOWN, indent=2), "d/a.json": lines(KNOWN, KNOWN)}
    corpus, notes = look(files, "d")
    assert [one.layout for one in corpus.inputs] == [DocumentLayout.JSONL, DocumentLayout.TEXT]
    assert len(notes) == 1
    assert notes[0].startswith(f"{Path('d/package.json')} is read as plain text: no records")


def test_an_array_becomes_lines_in_a_copy_and_keeps_its_name(look):
    corpus, notes = look({"a.json": lines([KNOWN, UNKNOWN], indent=4)}, "a.json")
    (source,) = corpus.inputs
    assert (source.name, source.layout) == ("a.json", DocumentLayout.JSON)
    assert [json.loads(line) for line in source.path.read_text().splitlines()] == [KNOWN, UNKNOWN]
    assert corpus.is_collection
    assert notes == []


def test_a_text_named_otherwise_stays_text(look):
    corpus, _ = look({"a.txt": lines(KNOWN, KNOWN)}, "a.txt")
    assert corpus.inputs[0].layout is DocumentLayout.TEXT


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.json", "a.parquet", "a.txt.gz"])
def test_a_git_lfs_pointer_is_refused(look, name):
    with pytest.raises(DataError, match=rf"^{name} is a git-lfs pointer.*git lfs pull"):
        look({name: POINTER}, name)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.json"])
@pytest.mark.parametrize("errors", ["strict", "replace"])
def test_utf16_is_refused_whatever_is_done_with_errors(look, name, errors):
    text = lines(KNOWN, KNOWN, KNOWN).decode()
    with pytest.raises(DataError, match=r"iconv -f UTF-16LE -t UTF-8`$"):
        look({name: text.encode("utf-16-le")}, name, errors=errors)
    with pytest.raises(DataError, match=r"iconv -f UTF-16 -t UTF-8`$"):
        look({name: text.encode("utf-16")}, name, errors=errors)


def test_an_option_without_effect_is_an_error(look):
    text = {"a.txt": b"one<sep>two"}
    with pytest.raises(UsageError, match=r"--field body has no effect: a.txt is plain text"):
        look(text, "a.txt", field="body")
    with pytest.raises(UsageError, match=r"--split-on '\|' has no effect, no text .* has it"):
        look(text, "a.txt", split_on="|")
    with pytest.raises(UsageError, match=r"--split-on '\|' has no effect, no source is plain"):
        look({"b.jsonl": lines(KNOWN)}, "b.jsonl", split_on="|")


@given(st.text("ab<|>\n\r", max_size=60), st.sampled_from(["<|>", "|", "\n\n"]), st.integers(1, 9))
def test_documents_are_what_split_gives(text, separator, step):
    expected = [part.strip("\r\n") for part in text.split(separator)]
    found = split_documents(io.StringIO(text, newline=""), separator, "x", step)
    assert list(found) == [part for part in expected if part]
