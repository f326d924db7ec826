import gzip
import json
import os
import socket
from pathlib import Path

import pytest
import zstandard

from gptcli.data.corpus.compression import Compression
from gptcli.data.corpus.finding import corpus_name
from gptcli.data.corpus.inputs import DocumentLayout, TextInput
from gptcli.errors import ResourceError, UsageError


def write(name: str, content: bytes = b"text") -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)


def names(corpus):
    return [one.name for one in corpus.inputs]


def content(source: TextInput) -> bytes:
    with source.open() as file:
        return file.read()


def test_one_file_is_one_text(find):
    write("books/input.txt", b"a text")
    corpus = find("books/input.txt")
    (source,) = corpus.inputs
    assert (source.name, source.layout, source.compression, source.n_bytes) == (
        "books/input.txt",
        DocumentLayout.TEXT,
        Compression.NONE,
        6,
    )
    assert source.path == Path("books/input.txt").absolute()
    assert (corpus.is_collection, corpus.name, corpus.title, corpus.n_skipped) == (
        False,
        "input",
        "books/input.txt",
        0,
    )


@pytest.mark.parametrize(
    ("name", "layout", "compression"),
    [
        ("a.txt", DocumentLayout.TEXT, Compression.NONE),
        ("Makefile", DocumentLayout.TEXT, Compression.NONE),
        ("a.md.gz", DocumentLayout.TEXT, Compression.GZIP),
        ("a.TXT.ZST", DocumentLayout.TEXT, Compression.ZSTD),
        ("a.jsonl", DocumentLayout.JSONL, Compression.NONE),
        ("a.ndjson.zst", DocumentLayout.JSONL, Compression.ZSTD),
        ("a.JSONL.gz", DocumentLayout.JSONL, Compression.GZIP),
        ("a.parquet", DocumentLayout.PARQUET, Compression.NONE),
        ("a.jsonl.txt", DocumentLayout.TEXT, Compression.NONE),
    ],
)
def test_form_follows_the_end_of_the_name(find, name, layout, compression):
    write(name)
    write("folder/" + name)
    for corpus in (find(name), find("folder")):
        (source,) = corpus.inputs
        assert (source.layout, source.compression) == (layout, compression)
    assert find(name).is_collection == (layout is not DocumentLayout.TEXT)


def test_compressed_input_opens_decompressed(find):
    write("a.gz", gzip.compress(b"one"))
    write("b.zst", zstandard.ZstdCompressor().compress(b"two"))
    assert [content(one) for one in find("a.gz", "b.zst").inputs] == [b"one", b"two"]


def test_directory_gives_its_texts_in_the_order_of_their_paths(find):
    for name in ("b.txt", "a/z.txt", "a/b/c", "a.txt", "a/.hidden", ".git/config", "Z.md"):
        write(f"books/{name}")
    write("books/picture", b"GIF\0")
    write("books/late", b"x" * 2**13 + b"\0")
    write("books/archive.tar.gz")
    write("elsewhere/secret.txt")
    Path("books/link").symlink_to(Path("elsewhere").absolute())
    Path("books/linked.txt").symlink_to(Path("elsewhere/secret.txt").absolute())
    Path("books/dangling").symlink_to("nowhere")
    Path("books/loop").symlink_to("loop")
    os.mkfifo("books/pipe")
    for name in ("dataset.json", "tokenizer.json", "train/part-00000.bin"):
        write(f"books/data/input/{name}")
    for name in ("config.json", "tokenizer.json", "metrics.jsonl"):
        write(f"books/runs/1/{name}")
    corpus = find("books")
    assert names(corpus) == [
        f"books/{name}"
        for name in ("Z.md", "a.txt", "a/b/c", "a/z.txt", "b.txt", "late", "linked.txt")
    ]
    assert (corpus.n_skipped, corpus.is_collection) == (2, True)
    assert (corpus.name, corpus.title) == ("books", "books (7 files)")


def test_directory_with_one_file_is_a_collection_too(find):
    write("books/a.txt")
    corpus = find("books/")
    assert (corpus.is_collection, corpus.title) == (True, "books/ (1 file)")


def test_empty_directory_and_one_of_binaries_are_refused(find):
    Path("empty").mkdir()
    with pytest.raises(UsageError, match="empty has no text in it: name"):
        find("empty")
    write("binary/a", b"\0")
    with pytest.raises(UsageError, match="binary has no text in it but 1 binary file: name"):
        find("binary")


def test_nul_in_a_named_file_is_text(find):
    write("a", b"\0")
    assert content(find("a").inputs[0]) == b"\0"


def test_glob_matches_files_recursively(find):
    for name in ("a/x.txt", "a/b/y.txt", "a/b/z.md", "a/.c/w.txt", "d.txt"):
        write(name)
    assert names(find("a/**/*.txt")) == ["a/b/y.txt", "a/x.txt"]
    assert names(find("*")) == ["d.txt"]
    corpus = find("a/*.txt")
    assert (corpus.is_collection, corpus.name, corpus.title) == (True, "a", "a/*.txt (1 file)")
    with pytest.raises(UsageError, match=r"\*\.jsonl matches no file"):
        find("*.jsonl")


def test_file_named_like_a_glob_is_that_file(find):
    write("a[1].txt", b"one")
    write("a1.txt", b"other")
    corpus = find("a[1].txt")
    assert (names(corpus), corpus.is_collection, corpus.name) == (["a[1].txt"], False, "a[1]")


def test_several_sources_keep_their_order(find):
    for name in ("b.txt", "books/c.txt", "a.txt"):
        write(name)
    corpus = find("b.txt", "books", "a.txt")
    assert names(corpus) == ["b.txt", "books/c.txt", "a.txt"]
    assert (corpus.is_collection, corpus.name, corpus.title) == (True, "b", "3 files")


@pytest.mark.parametrize(
    "sources",
    [
        ["a/x.txt", "a/x.txt"],
        ["a/x.txt", "./a/x.txt"],
        ["a", "a/x.txt"],
        ["a/*.txt", "a"],
        ["link.txt", "a/x.txt"],
        ["-", "-"],
        ["addition", "addition"],
    ],
)
def test_what_is_named_twice_is_refused(find, sources):
    write("a/x.txt")
    Path("link.txt").symlink_to("a/x.txt")
    with pytest.raises(UsageError, match=r"(is named twice|is \S+ again): leave one of them out"):
        find(*sources)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("shakespere", "shakespere not found: did you mean shakespeare"),
        ("Addition", "did you mean addition"),
        ("books/inptu.txt", r"did you mean books/input\.txt"),
        (
            "nothing/like/it",
            "nothing/like/it not found: check the path",
        ),
        ("books/input.txt/x", "not found"),
        ("dangling", "dangling is a link to a missing file"),
        ("", "name of a source is empty"),
    ],
)
def test_missing_source_suggests_the_nearest(find, source, says):
    write("books/input.txt")
    Path("dangling").symlink_to("nowhere")
    with pytest.raises(UsageError, match=says):
        find(source)


def test_nothing_named_is_refused(find):
    with pytest.raises(UsageError, match="name a text file"):
        find()


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tgz", "a.txt.xz"])
def test_archive_is_refused(find, name):
    write(name)
    with pytest.raises(UsageError, match="unpack it"):
        find(name)


def test_device_and_socket_are_refused(find, tmp_path):
    with pytest.raises(UsageError, match="/dev/zero is a device: name a file, or pipe"):
        find("/dev/zero")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("sock")
        with pytest.raises(UsageError, match="sock is a device"):
            find("sock")


def test_odd_names_are_refused_in_one_line(find):
    with pytest.raises(ResourceError, match="cannot read"):
        find("a\0b")
    with pytest.raises(ResourceError, match="cannot read"):
        find("x" * 5000)


def test_built_in_name_wins_over_a_file_unless_it_is_a_path(find):
    write("addition", b"mine")
    assert content(find("./addition").inputs[0]) == b"mine"
    corpus = find("addition")
    assert content(corpus.inputs[0]) != b"mine"
    assert (names(corpus), corpus.name, corpus.is_collection) == (["addition"], "addition", True)
    assert corpus.title == "addition (100,000 problems, 3 digits)"


def test_input_survives_json(find):
    write("a.jsonl.gz", gzip.compress(b"{}"))
    name = os.fsdecode(b"\xff.txt")
    write(name)
    for source in find("a.jsonl.gz", name).inputs:
        assert TextInput.from_json(json.loads(json.dumps(source.to_json()))) == source


@pytest.mark.parametrize("change", [{"layout": "x"}, {"n_bytes": 1.5}, {"path": None}])
def test_damaged_json_is_refused(find, change):
    write("a.txt")
    value = {**find("a.txt").inputs[0].to_json(), **change}
    with pytest.raises((ValueError, TypeError)):
        TextInput.from_json(value)
    with pytest.raises(KeyError):
        TextInput.from_json({})


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("books/input.txt", "input"),
        ("books/input.txt.gz", "input"),
        ("two.parts.txt", "two.parts"),
        ("python", "python"),
        ("./python", "python"),
        ("-", "stdin"),
        (".hidden", "hidden"),
        ("v1.0", "v1.0"),
        ("books/*.txt", "books"),
        ("books/**/*.txt", "books"),
        ("*.txt", "here"),
        (".", "here"),
        ("/", "text"),
        ("x" * 5000, "x" * 5000),
    ],
)
def test_dataset_is_called_after_its_first_source(here, source, name):
    Path("v1.0").mkdir()
    assert corpus_name([source, "other.txt"]) == name
