"""Free names, the newest output, and that nothing but our own directories is replaced."""

import json
from pathlib import Path

import pytest

from gptcli.errors import UsageError
from gptcli.runtime.locks import exclusive
from gptcli.runtime.outputs import (
    OutputKind,
    check_replaceable,
    free_name,
    newest,
    output_path,
    timestamp,
)

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


def test_taken_default_gets_the_next_number(tmp_path):
    for expected in ("input", "input-2", "input-3"):
        assert free_name(tmp_path, "input").name == expected
        (tmp_path / expected).mkdir()


def test_a_name_that_is_being_written_is_taken_and_a_stale_lock_is_not(tmp_path):
    (tmp_path / ".input.lock").touch()
    assert free_name(tmp_path, "input").name == "input"
    with exclusive(tmp_path / "input"):
        assert free_name(tmp_path, "input").name == "input-2"
    assert [*tmp_path.iterdir()] == []


def test_dangling_link_counts_as_taken(tmp_path):
    (tmp_path / "input").symlink_to("nowhere")
    assert free_name(tmp_path, "input").name == "input-2"


def test_taken_out_is_refused_unless_overwritten(tmp_path):
    with pytest.raises(UsageError, match="--overwrite"):
        output_path(tmp_path, tmp_path, "x", overwrite=False)
    assert output_path(tmp_path, tmp_path, "x", overwrite=True) == tmp_path


def test_overwrite_keeps_the_default_name(tmp_path):
    (tmp_path / "x").mkdir()
    assert output_path(None, tmp_path, "x", overwrite=True) == tmp_path / "x"


def test_timestamps_order_as_text():
    first, second = timestamp(), timestamp()
    assert first <= second
    assert first.endswith("+00:00")


def test_newest_skips_the_incomplete_the_hidden_and_the_broken(tmp_path):
    records = {"a": {"created": "2"}, "b": {"created": "1"}, ".tmp-c": {"created": "9"}, "d": {}}
    for name, record in records.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(json.dumps(record))
    (tmp_path / "e").mkdir()
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "record.json").write_text("{")
    assert newest(tmp_path, "record.json") == tmp_path / "a"


def test_a_time_in_the_future_is_never_the_newest(tmp_path):
    for name, time in (("old", "2020"), ("new", "2021"), ("future", "2999")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(json.dumps({"created": time}))
    assert newest(tmp_path, "record.json") == tmp_path / "new"


def test_nothing_is_newest_of_nothing(tmp_path):
    assert newest(tmp_path / "none", "record.json") is None
