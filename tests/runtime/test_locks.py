"""One process at a time writes a directory, and nothing is left of the lock."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gptcli.errors import ResourceError
from gptcli.runtime.locks import exclusive

HAS_KILL = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
_HOLD = """
import sys, time
from pathlib import Path
from gptcli.runtime.locks import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
# Two that hold the lock at once would both find the mark missing, or one would find it there.
_RACE = """
import os, sys, time
from pathlib import Path
from gptcli.errors import ResourceError
from gptcli.runtime.locks import exclusive
directory, wins = Path(sys.argv[1]), 0
mark = directory.with_name("mark")
deadline = time.monotonic() + 60
while wins < 300 and time.monotonic() < deadline:
    try:
        with exclusive(directory):
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
            mark.unlink()
            wins += 1
    except ResourceError as error:
        assert "is in use by" in str(error), error
print(wins)
"""


def _start(program: str, *arguments: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_second_process_is_told_the_holder_and_a_dead_holder_is_forgotten(tmp_path):
    directory = tmp_path / "new" / "x"
    with _start(_HOLD, directory) as holder:
        holder.stdout.readline()
        refused = pytest.raises(ResourceError, match=f"new/x is in use by process {holder.pid}:")
        with refused, exclusive(directory):
            pass
        os.kill(holder.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    with exclusive(directory):
        pass


@HAS_KILL
def test_a_killed_process_leaves_one_hidden_file_which_the_next_removes(tmp_path):
    with _start(_HOLD, tmp_path / "x") as holder:
        holder.stdout.readline()
        holder.kill()
    assert [file.name for file in tmp_path.iterdir()] == [".x.lock"]
    with exclusive(tmp_path / "x"):
        assert [file.name for file in tmp_path.iterdir()] == [".x.lock"]
    assert list(tmp_path.iterdir()) == []


def test_processes_that_race_never_hold_it_together_and_leave_nothing(tmp_path):
    racers = [_start(_RACE, tmp_path / "x") for _ in range(3)]
    assert [int(racer.communicate()[0]) for racer in racers] == [300] * 3
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_was_removed_after_opening_is_taken_anew(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    lock, flock, opened = tmp_path / ".x.lock", fcntl.flock, []

    def removed_before(descriptor, operation):
        if not opened:
            lock.unlink()
        opened.append(descriptor)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    with exclusive(tmp_path / "x"):
        assert len(opened) == 2
        assert lock.exists()


def test_lock_is_free_and_gone_after_an_error(tmp_path):
    with pytest.raises(KeyError), exclusive(tmp_path / "new" / "x"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with exclusive(tmp_path / "new" / "x"):
        pass


def test_a_folder_with_something_in_it_stays(tmp_path):
    with exclusive(tmp_path / "new" / "x"):
        (tmp_path / "new" / "x").mkdir()
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["x"]


def test_lock_below_a_file_is_a_resource_error(tmp_path):
    (tmp_path / "file").touch()
    refused = pytest.raises(ResourceError, match="cannot write")
    with refused, exclusive(tmp_path / "file" / "x"):
        pass


def test_lock_in_a_folder_that_refuses_is_a_resource_error(tmp_path: Path, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    if getattr(os, "geteuid", int)() == 0:  # whom no folder refuses
        monkeypatch.setattr(os, "open", refuse)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ResourceError, match="not allowed to write"), exclusive(tmp_path / "x"):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_a_link_and_what_it_leads_to_have_one_lock(tmp_path, monkeypatch):
    (tmp_path / "real" / "run").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "run")
    monkeypatch.chdir(tmp_path / "real" / "run")
    for one, other in [("link", "real/run"), ("real/run", "link")]:
        with exclusive(tmp_path / one):
            for again in (tmp_path / other, Path(), Path("../../link")):
                with pytest.raises(ResourceError, match="is in use"), exclusive(again):
                    pass
    assert sorted(file.name for file in tmp_path.rglob(".*")) == []
