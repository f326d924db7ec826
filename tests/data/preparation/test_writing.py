"""A dataset appears whole or not at all, and only where it may."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest

from gptcli.data.dataset import Dataset, newest_dataset
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.errors import ResourceError, UsageError
from gptcli.runtime.locks import exclusive

TEXT = "one two three four five\n"
HAS_KILL = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")


@pytest.fixture
def make(write, tmp_path):
    def run(name, text=TEXT, **options):
        return prepare(Preparation([write("input.txt", text)]), tmp_path / name, **options)

    return run


def test_existing_directory_is_kept(make):
    before = make("x")
    with pytest.raises(UsageError, match="--overwrite"):
        make("x", "other text" * 9)
    assert make("x", "other text" * 9, overwrite=True).identity != before.identity


def test_overwrite_replaces_datasets_only(make, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("x")
    for name in ("home", "file"):
        with pytest.raises(UsageError, match="is not a dataset and is not replaced"):
            make(name, overwrite=True)
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"


def test_link_is_never_replaced(make, tmp_path):
    target = make("target")
    (tmp_path / "link").symlink_to(target.directory)
    with pytest.raises(UsageError, match="is not replaced"):
        make("link", overwrite=True)


def test_second_writer_is_told_who_is_first(make, tmp_path):
    refused = pytest.raises(ResourceError, match=f"in use by process {os.getpid()}")
    with exclusive(tmp_path / "x"), refused:
        make("x")


def test_output_below_a_file_is_a_resource_error(make, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError, match="cannot write"):
        make("file/x")


def test_disk_without_room_is_noticed_before_anything_is_written(make, monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(ResourceError, match=r"no room.*needs about .* are free"):
        make("x")
    assert not (tmp_path / "x").exists()


def test_input_that_grows_meanwhile_is_refused(write, tmp_path, monkeypatch):
    from gptcli.data.preparation import plan

    source = write("input.txt", TEXT * 9)
    scan = plan.scan_corpus

    def grow(*args, **kwargs):
        result = scan(*args, **kwargs)
        with Path(source).open("a") as file:
            file.write("more")
        return result

    monkeypatch.setattr(plan, "scan_corpus", grow)
    from gptcli.errors import DataError

    with pytest.raises(DataError, match="changed while it was read"):
        prepare(Preparation([source]), tmp_path / "x")
    assert not (tmp_path / "x").exists()


_HANG_BEFORE_THE_END = """
import sys, time
from gptcli.runtime import directories
def hang(root):
    print(root, flush=True)
    time.sleep(600)
directories.sync_tree = hang
sys.argv = ["gptcli", "prepare", "input.txt"]
from gptcli.cli import main
main()
"""


@HAS_KILL
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
    prepare(Preparation([str(tmp_path / "input.txt")]), tmp_path / "data" / "input")
    assert not half.exists()
    assert newest_dataset(tmp_path / "data") == tmp_path / "data" / "input"


@pytest.mark.slow
@HAS_KILL
def test_killed_at_any_time_there_is_a_whole_dataset_or_none(tmp_path):
    (tmp_path / "input.txt").write_text(TEXT * 20_000)
    command = [sys.executable, "-m", "gptcli", "prepare", "input.txt", "-q"]
    for step in range(8):
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
            time.sleep(0.1 + 0.03 * step)
            process.kill()
        for found in (tmp_path / "data").glob("input*"):
            assert Dataset.open(found).train.n_tokens == int(0.9 * len(TEXT) * 20_000)
