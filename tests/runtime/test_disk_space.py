"""Room is looked at before something is written, and the message has the bytes."""

import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from gptcli.errors import ResourceError
from gptcli.runtime.disk_space import check_room


@pytest.fixture(autouse=True)
def disk(monkeypatch) -> None:
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage if place.is_dir() else None)


def test_what_fits_is_not_refused(tmp_path: Path) -> None:
    check_room(tmp_path / "not" / "yet", "a save", 1000, 1000)


def test_a_full_disk_is_told_with_both_sizes(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"a save takes 1,001 bytes .* has 1,000 left"):
        check_room(tmp_path / "not" / "yet", "a save", 1001, 10)


def test_a_limit_of_file_sizes_is_told_with_the_way_out(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (99, resource.RLIM_INFINITY))
    check_room(tmp_path, "a save", 500, 99)
    with pytest.raises(ResourceError, match=r"a file of 100 bytes.* of 99: .*ulimit -f unlimited"):
        check_room(tmp_path, "a save", 500, 100)
