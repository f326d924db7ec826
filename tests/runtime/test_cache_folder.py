"""The cache is where the system keeps caches, and code in it is this user's alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gptcli.errors import ResourceError
from gptcli.runtime.cache_folder import cache_folder, is_private, make_private, scratch_folder

POSIX = pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no modes")


@pytest.mark.parametrize(
    ("platform", "part"), [("linux", ".cache"), ("darwin", "Caches"), ("win32", "Local")]
)
def test_cache_is_where_the_system_keeps_caches(monkeypatch, platform, part):
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder().parent.name == part


def test_a_relative_cache_is_ignored(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.chdir(tmp_path)
    for value in ("cache", "./cache", ".", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_folder() == Path.home() / ".cache" / "gptcli"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "gptcli"


@POSIX
@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777, 0o702])
def test_a_folder_that_others_may_enter_is_not_private_until_it_is_emptied(tmp_path, mode):
    folder = tmp_path / "steps"
    folder.mkdir()
    (folder / "planted.pt2").touch()
    folder.chmod(mode)
    assert not is_private(folder)
    make_private(folder)
    assert is_private(folder)
    assert list(folder.iterdir()) == []
    (folder / "own.pt2").touch()
    make_private(folder)
    assert is_private(folder / "own.pt2")


@POSIX
def test_links_and_folders_of_others_are_refused(tmp_path, monkeypatch):
    make_private(tmp_path / "real")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    file = tmp_path / "real" / "file.pt2"
    file.symlink_to("/dev/null")
    assert not is_private(link)
    assert not is_private(file)
    with pytest.raises(ResourceError, match=r"link is a link.*XDG_CACHE_HOME"):
        make_private(link)
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert not is_private(tmp_path / "real")
    with pytest.raises(ResourceError, match="another user"):
        make_private(tmp_path / "real")


@POSIX
def test_scratch_of_a_process_that_was_killed_is_cleared_by_the_next(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, used = tmp_path / f".scratch-{ended.pid}-x", tmp_path / f".scratch-{os.getppid()}-x"
    for folder in (left, used):
        folder.mkdir()
        (folder / "library.so").touch()
    with scratch_folder(tmp_path) as mine:
        assert is_private(mine)
        assert {*tmp_path.iterdir()} == {used, mine}
    assert [*tmp_path.iterdir()] == [used]
