"""Directories appear whole or not at all, and replace another in one step."""

import os
import sys

import pytest

from gptcli.runtime import directories
from gptcli.runtime.directories import (
    NewDirectory,
    is_leftover,
    new_directory,
    remove_all_stale,
    remove_stale,
)


def names(directory):
    return sorted(entry.name for entry in directory.iterdir())


def test_directory_appears_only_when_it_is_whole(tmp_path):
    with new_directory(tmp_path / "a" / "x") as building:
        (building / "part").touch()
        assert not (tmp_path / "a" / "x").exists()
    assert names(tmp_path / "a" / "x") == ["part"]
    assert names(tmp_path / "a") == ["x"]


def test_failure_leaves_the_old_directory(tmp_path):
    with new_directory(tmp_path / "x") as building:
        (building / "old").touch()
    with pytest.raises(KeyboardInterrupt), new_directory(tmp_path / "x") as building:
        raise KeyboardInterrupt
    assert names(tmp_path) == ["x"]
    assert names(tmp_path / "x") == ["old"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_directory_is_replaced(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(directories, "_exchange", lambda one, other: False)
    for name in ("old", "new"):
        with new_directory(tmp_path / "x") as building:
            (building / name).touch()
    assert names(tmp_path / "x") == ["new"]
    assert names(tmp_path) == ["x"]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not sync directories")
def test_bytes_are_on_the_disk_before_the_name(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(directories, "sync_tree", lambda root: order.append("sync"))
    rename = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("rename"), rename(a, b)))
    with new_directory(tmp_path / "x"):
        pass
    assert order == ["sync", "rename"]


def test_stale_halves_are_cleared_and_the_rest_kept(tmp_path):
    (tmp_path / ".tmp-x-01234567").mkdir()
    (tmp_path / ".tmp-x-01234568").touch()
    (tmp_path / "x").mkdir()
    (tmp_path / ".tmp-y-01234567").mkdir()
    remove_stale(tmp_path, "x")
    assert names(tmp_path) == [".tmp-y-01234567", "x"]
    remove_stale(tmp_path / "none", "x")


def test_what_a_replacement_moved_aside_comes_back(tmp_path):
    old = tmp_path / ".old-x-0123abcd"
    old.mkdir()
    (old / "kept").touch()
    remove_stale(tmp_path, "x")
    assert (tmp_path / "x" / "kept").exists()
    assert not old.exists()


def test_another_name_is_left_alone(tmp_path):
    for name in (".tmp-x-2-0123abcd", ".tmp-xy-0123abcd", ".tmp-x-notes"):
        (tmp_path / name).mkdir()
    remove_stale(tmp_path, "x")
    assert len(list(tmp_path.iterdir())) == 3
    remove_all_stale(tmp_path)
    assert names(tmp_path) == [".tmp-x-notes"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it may take two renames")
def test_the_old_directory_gives_way_in_one_step(tmp_path, monkeypatch):
    def forbidden(*paths):
        pytest.fail("a rename in between")

    (tmp_path / "x").mkdir()
    new = NewDirectory.beside(tmp_path / "x")
    (new.directory / "new").touch()
    monkeypatch.setattr(os, "rename", forbidden)
    new.commit()
    assert names(tmp_path / "x") == ["new"]
    assert names(tmp_path) == ["x"]
    new.discard()
    assert new.directory.is_dir(), "it is in its place"


@pytest.mark.parametrize(
    "name", [".tmp-x-0123abcd", ".old-resume-0123abcd", ".tmpa1B2c3", ".x.lock"]
)
def test_what_a_kill_leaves_is_recognized_and_cleared(tmp_path, name):
    assert is_leftover(name)
    (tmp_path / name).touch()
    (tmp_path / "resume").mkdir()
    remove_all_stale(tmp_path)
    assert names(tmp_path) == ["resume"]


@pytest.mark.parametrize("name", [".tmp", ".tmp-notes", ".tmpnotes", "x.lock", ".gitignore"])
def test_what_a_kill_never_leaves_is_not_touched(tmp_path, name):
    assert not is_leftover(name)
    (tmp_path / name).touch()
    remove_all_stale(tmp_path)
    assert names(tmp_path) == [name]
