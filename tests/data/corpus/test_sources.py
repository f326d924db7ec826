import sysconfig
from pathlib import Path

import pytest

from gptcli.data.corpus.python_source import read_standard_library
from gptcli.data.corpus.sources import read_source, source_name
from gptcli.errors import DataError, UsageError


def write(root: Path, name: str, content: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)


def test_library_is_its_sources_in_the_order_of_their_paths(tmp_path):
    write(tmp_path, "b.py", b"b\n")
    write(tmp_path, "a/z.py", b"z\n")
    write(tmp_path, "a.py", b"a\r\n")
    write(tmp_path, "notes.txt", b"no\n")
    for folder in ("test", "x/tests", "idlelib", "lib2to3", "site-packages/y"):
        write(tmp_path, f"{folder}/left_out.py", b"no\n")
    assert read_standard_library(tmp_path).text == "a\nz\nb\n"


def test_declared_encoding_is_obeyed_and_the_undecodable_counted(tmp_path):
    write(tmp_path, "a.py", b"# -*- coding: latin-1 -*-\n# \xe9\n")
    write(tmp_path, "b.py", b"\xef\xbb\xbf# bom\n")
    write(tmp_path, "c.py", b"# \xe9\n")
    write(tmp_path, "d.py", b"# coding: no-such\n")
    source = read_standard_library(tmp_path)
    assert source.text == "# -*- coding: latin-1 -*-\n# é\n# bom\n"
    assert source.name == "python (2 files, 2 undecodable left out)"


def test_interpreter_without_sources_is_said(tmp_path):
    with pytest.raises(DataError, match="no Python source"):
        read_standard_library(tmp_path)


def test_python_is_the_running_interpreters_library():
    text = read_source("python").text
    assert Path(sysconfig.get_path("stdlib"), "this.py").read_text() in text
    assert len(set(text)) < 1000


def test_built_in_name_wins_over_a_file_unless_it_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("python").write_text("mine")
    assert read_source("./python").text == "mine"
    assert read_source("python").text != "mine"


def test_near_miss_of_a_built_in_name_is_suggested():
    with pytest.raises(UsageError, match="did you mean shakespeare"):
        read_source("shakespere")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("books/input.txt", "input"),
        ("python", "python"),
        ("./python", "python"),
        ("-", "stdin"),
        (".hidden", "hidden"),
        ("two.parts.txt", "two.parts"),
    ],
)
def test_dataset_is_called_after_its_source(source, name):
    assert source_name(source) == name
