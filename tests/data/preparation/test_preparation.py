import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcli.data.dataset import Dataset
from gptcli.data.find import newest_dataset
from gptcli.data.preparation.single_text import prepare_text, split_text
from gptcli.data.text import whole_text
from gptcli.data.tokenization.characters import character_tokenizer
from gptcli.errors import DataError, ResourceError, UsageError
from gptcli.runtime.locks import exclusive

TEXT = "one two three four five\n"


def prepare(directory, text=TEXT, tokenizer=None, **options):
    source = whole_text(text, "input.txt")
    return prepare_text(source, tokenizer or character_tokenizer(text), directory, **options)


@given(st.integers(2, 10_000))
def test_default_cut_is_the_lectures(n):
    parts = split_text(whole_text("x" * n, "x"), 0.1)
    assert len(parts["train"]) == int(0.9 * n)
    assert parts["train"] + parts["val"] == "x" * n


def test_tiny_shakespeare_has_the_lectures_sizes(shared, tmp_path):
    text = (shared / "data" / "tinyshakespeare.txt").read_text()
    dataset = prepare(tmp_path / "shakespeare", text)
    assert (dataset.train.n_tokens, dataset.val.n_tokens) == (1_003_854, 111_540)
    assert dataset.vocab_size == 65


def test_wide_unicode_survives_and_its_bytes_are_counted(shared, tmp_path):
    text = (shared / "data" / "wikitext2-valid.txt").read_text(encoding="utf-8")
    dataset = prepare(tmp_path / "wiki", text)
    ids = [split.read(0, split.n_tokens) for split in (dataset.train, dataset.val)]
    assert "".join(map(dataset.tokenizer.decode, ids)) == text
    assert dataset.train.n_bytes + dataset.val.n_bytes == len(text.encode())


def test_split_that_would_be_empty_is_refused_with_the_arithmetic(tmp_path):
    with pytest.raises(DataError, match=r"1 characters.* 0 to train on and 1 to validate"):
        prepare(tmp_path / "x", "a")
    with pytest.raises(DataError, match="24 to train on and 0 to validate"):
        prepare(tmp_path / "x", val_fraction=1e-17)


def test_validation_can_be_done_without(tmp_path):
    dataset = prepare(tmp_path / "x", val_fraction=0)
    assert (dataset.train.n_tokens, dataset.val.n_tokens) == (len(TEXT), 0)
    assert dataset.val.read(0, 0).tolist() == []


def test_stretches_do_not_show_in_the_result(tmp_path, monkeypatch):
    whole = prepare(tmp_path / "whole")
    monkeypatch.setattr("gptcli.data.preparation.single_text._CHUNK", 5)
    told = []
    pieces = prepare(tmp_path / "pieces", advance=told.append)
    assert pieces.identity == whole.identity
    assert sum(told) == len(TEXT)


def test_unseen_character_is_named_with_line_and_offset(tmp_path, monkeypatch):
    monkeypatch.setattr("gptcli.data.preparation.single_text._CHUNK", 3)
    place = r"input\.txt, line 2: character 'é' \(U\+00E9\) at offset 22 "
    with pytest.raises(DataError, match=place):
        prepare(tmp_path / "x", "aaaaaaaaaa\nbbbbbbbbbbbé", character_tokenizer("ab\n"))
    assert not [entry for entry in tmp_path.iterdir() if entry.is_dir()]


def test_existing_directory_is_kept(tmp_path):
    before = prepare(tmp_path / "x")
    with pytest.raises(UsageError, match="--overwrite"):
        prepare(tmp_path / "x", "other text" * 9)
    after = prepare(tmp_path / "x", "other text" * 9, overwrite=True)
    assert after.identity != before.identity


def test_overwrite_replaces_datasets_only(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("x")
    for name in ("home", "file"):
        with pytest.raises(UsageError, match="is no dataset and is not replaced"):
            prepare(tmp_path / name, overwrite=True)
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"


def test_link_is_never_replaced(tmp_path):
    target = prepare(tmp_path / "target")
    (tmp_path / "link").symlink_to(target.directory)
    with pytest.raises(UsageError, match="is not replaced"):
        prepare(tmp_path / "link", overwrite=True)


def test_second_writer_is_told_who_is_first(tmp_path):
    refused = pytest.raises(ResourceError, match=f"in use by process {os.getpid()}")
    with exclusive(tmp_path / ".x.lock", "x"), refused:
        prepare(tmp_path / "x")


def test_output_below_a_file_is_a_resource_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError, match="cannot write"):
        prepare(tmp_path / "file" / "x")


_HANG_BEFORE_THE_END = """
import sys, time
from pathlib import Path
from gptcli.runtime import files
def hang(root):
    print(root, flush=True)
    time.sleep(600)
files._sync_tree = hang
sys.argv = ["gptcli", "prepare", "input.txt"]
from gptcli.cli import main
main()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_run_leaves_no_dataset_and_the_next_clears_up(tmp_path):
    (tmp_path / "input.txt").write_text(TEXT)
    command = [sys.executable, "-c", _HANG_BEFORE_THE_END]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        half = tmp_path / process.stdout.readline().decode().strip()
        process.kill()
    assert (half / "dataset.json").is_file()
    assert not (tmp_path / "data" / "input").exists()
    with pytest.raises(UsageError):
        newest_dataset(tmp_path / "data")
    prepare(tmp_path / "data" / "input")
    assert not half.exists()
    assert newest_dataset(tmp_path / "data") == tmp_path / "data" / "input"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_at_any_time_there_is_a_whole_dataset_or_none(tmp_path):
    (tmp_path / "input.txt").write_text(TEXT * 20_000)
    command = [sys.executable, "-m", "gptcli", "prepare", "input.txt", "-q"]
    for step in range(8):
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
            time.sleep(0.1 + 0.03 * step)
            process.kill()
        for found in (tmp_path / "data").glob("input*"):
            assert Dataset.open(found).train.n_tokens == int(0.9 * len(TEXT) * 20_000)
