"""What an index of shards may name: regular files beside it, and nothing else."""

import json
import os
from pathlib import Path

import pytest

from gptcli.checkpoint.header import read_header
from gptcli.checkpoint.model_files import weight_files
from gptcli.errors import CheckpointError


def index(directory: Path, name: str) -> None:
    content = {"weight_map": {"a": name}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    "name", ["../a.safetensors", "a\0.safetensors", "\ud800.safetensors", "a.bin", "x" * 5000]
)
def test_a_name_that_is_no_file_name_is_refused_in_a_short_line(tmp_path, name):
    index(tmp_path, name)
    with pytest.raises(CheckpointError, match="which is not a file beside it") as caught:
        weight_files(tmp_path)
    assert len(str(caught.value)) < 300


def test_a_shard_that_is_missing_a_folder_or_a_pipe_is_refused(tmp_path):
    index(tmp_path, "a.safetensors")
    with pytest.raises(CheckpointError, match="not found"):
        weight_files(tmp_path)
    (tmp_path / "a.safetensors").mkdir()
    with pytest.raises(CheckpointError, match="not found"):
        weight_files(tmp_path)
    (tmp_path / "a.safetensors").rmdir()
    os.mkfifo(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="not found"):
        weight_files(tmp_path)
    with pytest.raises(CheckpointError, match="not a regular file"):
        read_header(tmp_path / "a.safetensors")
