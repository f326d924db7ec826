"""Nothing in a dataset can change unnoticed."""

import json

import numpy as np
import pytest

from gptcli.data.preparation.verify import verify_dataset
from gptcli.errors import DataError, GptcliError


@pytest.fixture
def masked(build, records):
    pairs = [{"prompt": f"{n}?", "completion": str(n * n)} for n in range(200)]
    return build("x", [records("qa.jsonl", pairs)], shard_tokens=500).directory


def test_whole_dataset_passes_and_is_counted(masked):
    result = verify_dataset(masked)
    files = [path for path in masked.rglob("*") if path.suffix in (".bin", ".mask")]
    assert result.files == len(files)
    assert result.bytes == sum(path.stat().st_size for path in files)


def test_every_flipped_byte_is_found(masked):
    files = sorted(path for path in masked.rglob("*") if path.suffix in (".bin", ".mask"))
    assert len(files) > 6
    for file in files:
        content = file.read_bytes()
        for place in (0, len(content) // 2, len(content) - 1):
            damaged = bytearray(content)
            damaged[place] ^= 1
            file.write_bytes(damaged)
            with pytest.raises(GptcliError, match=file.name) as refused:
                verify_dataset(masked)
            assert refused.value.exit_code == 3
        file.write_bytes(content)
    verify_dataset(masked)


def test_id_beyond_the_vocabulary_is_found_though_its_checksum_is_right(build, write):
    import hashlib

    directory = build("x", [write("a.txt", "abc" * 50)]).directory
    shard = directory / "train" / "part-00000.bin"
    ids = np.fromfile(shard, "<u2")
    ids[7] = 999
    ids.tofile(shard)
    record = json.loads((directory / "dataset.json").read_text())
    entry = record["splits"]["train"]["shards"][0]
    entry["sha256"] = hashlib.sha256(shard.read_bytes()).hexdigest()
    (directory / "dataset.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"token id 999 at byte 14 "):
        verify_dataset(directory)


@pytest.mark.parametrize("name", ["train/part-00000.bin", "train/part-00000.mask"])
def test_missing_file_is_named(masked, name):
    (masked / name).unlink()
    with pytest.raises(DataError, match=name):
        verify_dataset(masked)
