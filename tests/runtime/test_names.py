import json

import pytest

from gptcli.errors import UsageError
from gptcli.runtime.names import free_name, newest, output_path, timestamp


def test_taken_default_gets_the_next_number(tmp_path):
    for expected in ("input", "input-2", "input-3"):
        assert free_name(tmp_path, "input").name == expected
        (tmp_path / expected).mkdir()


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


def test_nothing_is_newest_of_nothing(tmp_path):
    assert newest(tmp_path / "none", "record.json") is None
