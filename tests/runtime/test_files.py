import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from gptcli.errors import ResourceError
from gptcli.runtime import files
from gptcli.runtime.files import (
    parse_object,
    read_bounded,
    reported,
    write_bytes,
    write_json,
)
from gptcli.runtime.hashing import sha256_of


def names(directory):
    return sorted(entry.name for entry in directory.iterdir())


def test_file_is_replaced_whole(tmp_path):
    write_bytes(tmp_path / "x", b"old")
    write_bytes(tmp_path / "x", b"new\r\n\0")
    assert (tmp_path / "x").read_bytes() == b"new\r\n\0"
    assert names(tmp_path) == ["x"]


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    write_bytes(tmp_path / "x", b"old")

    def fail(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "sync_file", fail)
    with pytest.raises(ResourceError, match="no room to write"):
        write_bytes(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_file_has_the_mode_of_any_new_file(tmp_path):
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "plain").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain")]
    assert modes[0] == modes[1]


def test_json_refuses_what_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "no room"),
        (errno.EFBIG, "no room"),
        (errno.EROFS, "not allowed"),
        (errno.EACCES, "not allowed"),
        (errno.EIO, "cannot write"),
    ],
)
def test_refusals_of_the_system_name_the_place(tmp_path, number, says):
    with pytest.raises(ResourceError, match=f"{says}.*place"), reported(tmp_path / "place"):
        raise OSError(number, os.strerror(number))


def test_the_limit_is_exact(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"12345")
    assert read_bounded(file, 5) == b"12345"
    with pytest.raises(ValueError, match="more than 4"):
        read_bounded(file, 4)


@pytest.mark.parametrize("content", [b"", b"[]", b"1", b'{"a": NaN}', b"[" * 200_000, b"\xff"])
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_object(content)


def test_the_sha256_of_files_is_that_of_all_their_bytes(tmp_path: Path) -> None:
    contents = [b"", os.urandom(2**20 + 1), b"x"]
    paths = [tmp_path / str(number) for number in range(3)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    read: list[int] = []
    found = sha256_of(*paths, advance=read.append)
    assert found == hashlib.sha256(b"".join(contents)).hexdigest()
    assert sum(read) == sum(map(len, contents))


def test_a_git_lfs_pointer_is_not_taken_for_the_file(tmp_path):
    (tmp_path / "x").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n")
    with pytest.raises(ValueError, match=r"git-lfs pointer.*: git lfs pull"):
        read_bounded(tmp_path / "x")
