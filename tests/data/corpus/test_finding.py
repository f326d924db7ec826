import errno
import io
import os
import sys
import threading
from pathlib import Path

import pytest

from gptcli.data.corpus.finding import write_copy
from gptcli.data.corpus.inputs import DocumentLayout
from gptcli.errors import ResourceError, UsageError


def test_stdin_is_copied(find, monkeypatch):
    text = b"piped \xff bytes\r\n" * 100_000
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    corpus = find("-")
    (source,) = corpus.inputs
    assert source.path.read_bytes() == text
    assert (source.name, corpus.name, corpus.title) == ("stdin", "stdin", "stdin")
    assert not corpus.is_collection
    source.check_unchanged()


def test_closed_stdin_is_refused(find, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="stdin is closed"):
        find("-")


def test_pipe_is_copied_and_its_name_counts(find):
    os.mkfifo("pipe.jsonl")
    lines = b'{"text": "a"}\n' * 50_000
    writer = threading.Thread(target=Path("pipe.jsonl").write_bytes, args=(lines,))
    writer.start()
    corpus = find("pipe.jsonl")
    writer.join()
    (source,) = corpus.inputs
    assert (source.name, source.layout) == ("pipe.jsonl", DocumentLayout.JSONL)
    assert source.path != Path("pipe.jsonl").absolute()
    assert source.path.read_bytes() == lines


def test_nothing_is_copied_before_all_sources_are_found(find, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text")))
    with pytest.raises(UsageError):
        find("-", "missing.txt")
    assert not list((tmp_path / "spool").iterdir())


def test_full_disk_is_reported(tmp_path):
    def write_on_a_full_disk(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ResourceError, match=r"no room to write \S*copy"):
        write_copy(tmp_path / "copy", write_on_a_full_disk)
