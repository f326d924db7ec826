import io
import re
import sysconfig
from pathlib import Path

import pytest

from gptcli.config.data import ArithmeticOptions, ReadOptions
from gptcli.data.corpus import sources
from gptcli.data.corpus.finding import find_corpus
from gptcli.data.corpus.reading import open_reader
from gptcli.data.corpus.sources import BUILT_IN_SOURCES, write_standard_library
from gptcli.errors import DataError
from gptcli.tokenization.splits import Cuts


def write(root: Path, name: str, content: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)


def library(root: Path) -> tuple[str, str]:
    file = io.BytesIO()
    about = write_standard_library(file, root)
    return file.getvalue().decode(), about


def test_library_is_its_sources_in_the_order_of_their_paths(tmp_path):
    write(tmp_path, "b.py", b"b\n")
    write(tmp_path, "a/z.py", b"z\n")
    write(tmp_path, "a.py", b"a\r\n")
    write(tmp_path, "notes.txt", b"no\n")
    for folder in ("test", "x/tests", "idlelib", "lib2to3", "site-packages/y"):
        write(tmp_path, f"{folder}/left_out.py", b"no\n")
    assert library(tmp_path) == ("a\nz\nb\n", "3 files")


def test_declared_encoding_is_obeyed_and_the_undecodable_counted(tmp_path):
    write(tmp_path, "a.py", b"# -*- coding: latin-1 -*-\n# \xe9\n")
    write(tmp_path, "b.py", b"\xef\xbb\xbf# bom\n")
    write(tmp_path, "c.py", b"# \xe9\n")
    write(tmp_path, "d.py", b"# coding: no-such\n")
    assert library(tmp_path) == (
        "# -*- coding: latin-1 -*-\n# é\n# bom\n",
        "2 files, 2 undecodable left out",
    )


def test_interpreter_without_sources_is_said(tmp_path):
    with pytest.raises(DataError, match="no Python source"):
        library(tmp_path)


def test_python_is_the_running_interpreters_library(tmp_path):
    corpus = find_corpus(["python"], tmp_path)
    text = corpus.inputs[0].path.read_text()
    assert Path(sysconfig.get_path("stdlib"), "this.py").read_text() in text
    assert len(set(text)) < 1000
    assert not corpus.is_collection
    assert re.fullmatch(r"python \(\d+ files(, \d+ undecodable left out)?\)", corpus.title)


def test_shakespeare_is_copied_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "read_shakespeare", lambda: b"First Citizen:\n")
    corpus = find_corpus(["shakespeare"], tmp_path)
    assert corpus.inputs[0].path.read_bytes() == b"First Citizen:\n"
    assert corpus.title == corpus.name == "shakespeare"
    assert not corpus.is_collection


@pytest.mark.parametrize("name", ["addition", "calculator"])
def test_problems_are_prompts_with_completions_that_never_share_a_key(tmp_path, name):
    options = ArithmeticOptions(digits=2, count=2000, reverse=True)
    corpus = find_corpus([name], tmp_path, options)
    reader = open_reader(corpus.inputs[0], ReadOptions(), Cuts.ANYWHERE)
    documents = [one for part in reader.chunks() for one in reader.parse(part).documents]
    assert len({document.key for document in documents}) == 2000
    assert {tuple(part.target for part in one.parts) for one in documents} == {(False, True)}
    facts = [re.split(r"([-+*/])", one.parts[0].text[:-1]) for one in documents]
    swapped = {(b, sign, a) for a, sign, b in facts if sign in "+*" and a != b}
    assert not swapped & {tuple(fact) for fact in facts}


def test_every_source_says_what_it_is():
    assert list(BUILT_IN_SOURCES) == [
        "python",
        "shakespeare",
        "addition",
        "calculator",
        "instructions",
        "preferences",
    ]
    assert all(source.about for source in BUILT_IN_SOURCES.values())
