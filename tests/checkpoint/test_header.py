"""The header check: it accepts what safetensors writes and nothing that is damaged or hostile."""

import json
import struct
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from gptcli.checkpoint.header import read_header
from gptcli.errors import CheckpointError, UsageError


def build(header: str | bytes, body: bytes = b"") -> bytes:
    raw = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(raw)) + raw + body


def entry(start: int, end: int, shape: tuple[int, ...] = (2,), dtype: str = "F32") -> str:
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": [start, end]})


def test_the_librarys_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    tensors = {
        "one": torch.ones(3, 4),
        "two.b": torch.ones(5, dtype=torch.bfloat16),
        "empty": torch.ones(0, 3),
        "scalar": torch.tensor(1.0),
    }
    safetensors.torch.save_file(tensors, file, {"format": "pt"})
    header = read_header(file)
    assert {name: info.shape for name, info in header.items()} == {
        name: tuple(tensor.shape) for name, tensor in tensors.items()
    }
    assert sum(info.n_bytes for info in header.values()) == 12 * 4 + 5 * 2 + 4


def test_a_git_lfs_pointer_is_named_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 548\n")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is a git-lfs pointer.*lfs pull"):
        read_header(file)


HOSTILE = {
    "empty file": b"",
    "seven bytes": b"1234567",
    "header longer than the file": struct.pack("<Q", 100) + b"{}",
    "header of an exabyte": struct.pack("<Q", 2**60) + b"{}",
    "a pickle": b"\x80\x04\x95" + b"x" * 50,
    "not JSON": build("{nope"),
    "a list": build("[]"),
    "deep nesting": build("[" * 100_000),
    "not UTF-8": build(b"\xff\xff\xff"),
    "duplicate name": build(f'{{"a": {entry(0, 8)}, "a": {entry(0, 8)}}}', bytes(8)),
    "overlap": build(f'{{"a": {entry(0, 8)}, "b": {entry(4, 12)}}}', bytes(12)),
    "gap": build(f'{{"a": {entry(0, 8)}, "b": {entry(12, 20)}}}', bytes(20)),
    "beyond the end": build(f'{{"a": {entry(0, 8)}}}', bytes(4)),
    "left over": build(f'{{"a": {entry(0, 8)}}}', bytes(9)),
    "wrong size": build(f'{{"a": {entry(0, 12)}}}', bytes(12)),
    "negative": build(f'{{"a": {entry(-8, 0)}}}', bytes(8)),
    "unknown dtype": build(f'{{"a": {entry(0, 8, dtype="F3")}}}', bytes(8)),
    "boolean size": build(
        '{"a": {"dtype": "F32", "shape": [true], "data_offsets": [0, 4]}}', bytes(4)
    ),
    "path as a name": build(f'{{"../a": {entry(0, 8)}}}', bytes(8)),
    "control character": build(f'{{"a\\u001b[2J": {entry(0, 8)}}}', bytes(8)),
    "no description": build('{"a": 7}'),
    "a shape that is a number": build('{"a": {"dtype": "F32", "shape": 7}}'),
    "many dimensions": build(f'{{"a": {entry(0, 4, shape=(1,) * 17)}}}', bytes(4)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_and_damaged_files_are_refused(tmp_path: Path, case: str) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(HOSTILE[case])
    with pytest.raises(CheckpointError):
        read_header(file)


def test_a_shape_of_very_many_dimensions_is_refused_before_it_is_multiplied(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(build(f'{{"a": {entry(0, 8, shape=(2**50,) * 200_000)}}}', bytes(8)))
    begun = time.perf_counter()
    with pytest.raises(CheckpointError, match=r"tensor a .*200,000 dimensions"):
        read_header(file)
    assert time.perf_counter() - begun < 10


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"one": torch.ones(3), "two": torch.ones(2)}, file)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            read_header(file)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_header(tmp_path / "none.safetensors")
