"""Nothing but our own directories is replaced."""

import json
from pathlib import Path

import pytest

from gptcli.errors import UsageError
from gptcli.runtime.outputs import OutputKind, check_replaceable

KIND = OutputKind("run", "train.json", "gptcli.run/1", frozenset({"train.json", "resume"}))


def make(directory: Path, record: object = None, *names: str) -> Path:
    directory.mkdir()
    if record is not None:
        (directory / "train.json").write_text(json.dumps(record))
    for name in names:
        (directory / name).touch()
    return directory


def test_a_free_name_an_empty_directory_and_our_own_pass(tmp_path: Path) -> None:
    check_replaceable(tmp_path / "free", False, KIND)
    check_replaceable(make(tmp_path / "empty"), True, KIND)
    check_replaceable(make(tmp_path / "ours", {"format": "gptcli.run/1"}, "resume"), True, KIND)


@pytest.mark.parametrize(
    ("record", "names"),
    [
        (None, ("thesis.txt",)),
        ({"squad": 1}, ()),
        ([], ()),
        ({"format": "gptcli.run/1"}, ("thesis.txt",)),
    ],
)
def test_everything_else_is_refused(tmp_path: Path, record: object, names: tuple[str]) -> None:
    directory = make(tmp_path / "theirs", record, *names)
    with pytest.raises(UsageError, match="theirs"):
        check_replaceable(directory, True, KIND)


def test_links_files_and_nameless_paths_are_refused(tmp_path: Path) -> None:
    ours = make(tmp_path / "ours", {"format": "gptcli.run/1"})
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(ours)
    file.touch()
    for path in (link, file, Path(), Path("..")):
        with pytest.raises(UsageError):
            check_replaceable(path, True, KIND)
    with pytest.raises(UsageError, match="--overwrite"):
        check_replaceable(ours, False, KIND)
