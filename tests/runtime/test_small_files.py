"""Small files: bounded, and JSON in the strict sense."""

from pathlib import Path

import pytest

from gptcli.runtime.small_files import parse_object, read_bounded


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
