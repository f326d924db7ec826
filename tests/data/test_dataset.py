import json
import os
import shutil

import numpy as np
import pytest

from gptcli.data.dataset import Dataset, newest_dataset
from gptcli.data.dataset_record import narrowest_dtype
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.errors import CheckpointError, DataError, UsageError
from gptcli.tokenization.identity import former_identity
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer
from tests.data.conftest import TEXT


def edit_record(dataset: Dataset, edit) -> None:
    file = dataset.directory / "dataset.json"
    value = json.loads(file.read_text())
    edit(value)
    file.write_text(json.dumps(value))


def flat(dataset: Dataset) -> np.ndarray:
    return dataset.train.read(0, dataset.train.n_tokens)


def test_tokens_decode_to_the_text(make_dataset):
    dataset = make_dataset(text="To be, or not to be\r\n" * 10)
    text = "".join(dataset.tokenizer.decode(flat(dataset)))
    val = dataset.val.read(0, dataset.val.n_tokens)
    assert text + dataset.tokenizer.decode(val) == "To be, or not to be\r\n" * 10


def test_shards_are_raw_little_endian_uint16(make_dataset):
    dataset = make_dataset()
    raw = np.fromfile(dataset.directory / "train" / "part-00000.bin", dtype="<u2")
    assert raw.tolist() == flat(dataset).tolist()


@pytest.mark.parametrize("shard_tokens", [1, 2, 7, 50, 219, 10_000])
def test_shards_read_as_one_array(make_dataset, shard_tokens):
    whole = flat(make_dataset("whole"))
    split = make_dataset("sharded", shard_tokens=shard_tokens).train
    for start in range(0, len(whole), 13):
        for length in (0, 1, 5, len(whole) - start):
            assert split.read(start, length).tolist() == whole[start : start + length].tolist()
    starts = np.array([0, 3, len(whole) - 9, 3])
    rows = split.gather(starts, 9)
    assert rows.dtype == np.int64
    assert rows.tolist() == [whole[s : s + 9].tolist() for s in starts]


def test_no_starts_gather_no_rows(make_dataset):
    assert make_dataset().train.gather(np.array([], dtype=np.int64), 5).shape == (0, 5)


def test_window_beyond_the_split_is_our_own_bug(make_dataset):
    split = make_dataset().train
    for start in (-1, split.n_tokens - 4):
        with pytest.raises((AssertionError, IndexError)):
            split.gather(np.array([start]), 5)


def test_identity_is_of_the_content_alone(make_dataset, tmp_path):
    here = make_dataset("here")
    shutil.copytree(here.directory, tmp_path / "elsewhere")
    edit_record(here, lambda value: value.update(created="later", source={"name": "other"}))
    assert Dataset.open(tmp_path / "elsewhere").identity == Dataset.open(here.directory).identity
    assert make_dataset("other", text="Another text" * 9).identity != here.identity
    assert make_dataset("cut", val_fraction=0.5).identity != here.identity


def test_missing_dataset_names_the_command(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match=r"gptcli prepare input\.txt"):
            Dataset.open(path)


def test_every_other_length_of_a_shard_is_refused(make_dataset):
    dataset = make_dataset(text="ab" * 20)
    file = dataset.directory / "train" / "part-00000.bin"
    content = file.read_bytes()
    for length in [*range(len(content)), len(content) + 1]:
        file.write_bytes((content + b"\0")[:length])
        with pytest.raises(DataError, match=rf"{length} bytes, not {len(content)}"):
            Dataset.open(dataset.directory)


def test_missing_shard_is_named(make_dataset):
    dataset = make_dataset()
    (dataset.directory / "val" / "part-00000.bin").unlink()
    with pytest.raises(DataError, match=r"part-00000\.bin is missing"):
        Dataset.open(dataset.directory)


def test_extra_shard_is_named(make_dataset):
    dataset = make_dataset()
    (dataset.directory / "train" / "part-00001.bin").write_bytes(b"\0\0")
    with pytest.raises(DataError, match=r"part-00001\.bin is not in"):
        Dataset.open(dataset.directory)


@pytest.mark.parametrize("shard_tokens", [10, 10_000])
def test_id_beyond_the_vocabulary_is_named_with_its_byte(make_dataset, shard_tokens):
    dataset = make_dataset(shard_tokens=shard_tokens)
    index, inside = divmod(33, shard_tokens)
    name = f"part-{index:05d}.bin"
    with (dataset.directory / "train" / name).open("r+b") as file:
        file.seek(2 * inside)
        file.write(b"\xff\xff")
    split = Dataset.open(dataset.directory).train
    message = rf"{name} is damaged: token id 65535 at byte {2 * inside} "
    with pytest.raises(DataError, match=message):
        split.gather(np.array([0, 30]), 8)
    with pytest.raises(DataError, match=message):
        split.read(0, split.n_tokens)
    assert split.gather(np.array([0, 34]), 8).shape == (2, 8)


def test_another_tokenizer_is_refused_with_both_identities(make_dataset):
    dataset = make_dataset()
    other = character_tokenizer("0123456789")
    (dataset.directory / "tokenizer.json").write_text(other.to_json())
    with pytest.raises(CheckpointError, match=r"gptcli prepare") as caught:
        Dataset.open(dataset.directory)
    assert other.identity[:12] in str(caught.value)
    assert dataset.tokenizer.identity[:12] in str(caught.value)


def test_missing_tokenizer_is_damage(make_dataset):
    dataset = make_dataset()
    (dataset.directory / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"tokenizer\.json is missing"):
        Dataset.open(dataset.directory)


def set_shard(field, value):
    return lambda record: record["splits"]["train"]["shards"][0].update({field: value})


@pytest.mark.parametrize(
    "edit",
    [
        lambda record: record.clear(),
        lambda record: record.update(format="gptcli.dataset/99"),
        lambda record: record.update(dtype="float64"),
        lambda record: record.update(vocab_size=-1),
        lambda record: record.update(vocab_size=10**6),
        lambda record: record.update(source=None),
        lambda record: record.update(splits=[]),
        lambda record: record["splits"].pop("val"),
        lambda record: record["splits"]["train"].update(tokens=1),
        set_shard("file", "../../secret"),
        set_shard("file", "/etc/passwd"),
        set_shard("tokens", 10**30),
        set_shard("tokens", True),
        set_shard("sha256", "x"),
    ],
)
def test_hostile_record_is_refused_in_one_line(make_dataset, edit):
    dataset = make_dataset()
    edit_record(dataset, edit)
    with pytest.raises(DataError, match=r"dataset\.json is damaged") as caught:
        Dataset.open(dataset.directory)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_record_that_is_no_json_object_is_refused(make_dataset, content):
    dataset = make_dataset()
    (dataset.directory / "dataset.json").write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        Dataset.open(dataset.directory)


def test_unknown_split_is_a_usage_error(make_dataset):
    with pytest.raises(UsageError, match="train, val"):
        make_dataset().split("test")


def test_ids_are_as_narrow_as_they_fit():
    assert [narrowest_dtype(n) for n in (2, 65536, 65537)] == ["uint16", "uint16", "uint32"]


def test_newest_dataset_is_by_the_time_recorded_inside(make_dataset, tmp_path):
    make_dataset("b")
    make_dataset("a")
    make_dataset("c")
    edit_record(Dataset.open(tmp_path / "c"), lambda value: value.update(created="1999"))
    (tmp_path / "half").mkdir()
    assert newest_dataset(tmp_path) == tmp_path / "a"


def test_no_dataset_names_the_command(tmp_path):
    with pytest.raises(UsageError, match=r"gptcli prepare input\.txt"):
        newest_dataset(tmp_path)


def test_dataset_of_an_earlier_version_keeps_its_identity(tmp_path):
    """A record with the former identity of its tokenizer opens, and is the same dataset."""
    (tmp_path / "a.txt").write_text(TEXT)
    text = character_tokenizer(TEXT, special_tokens=["<|user|>"]).to_json()
    marked = Tokenizer.from_json(text.replace('"normalized": false', '"normalized": true'))
    made = prepare(Preparation([str(tmp_path / "a.txt")], marked), tmp_path / "set")
    former = former_identity(made.tokenizer.content)
    assert former != made.tokenizer.identity
    edit_record(made, lambda record: record.update(tokenizer=former))
    old = Dataset.open(made.directory)
    assert old.identity != made.identity
    assert old.has_identity(made.identity) and made.has_identity(old.identity)
    (tmp_path / "a.txt").write_text(TEXT[:-1])
    other = prepare(Preparation([str(tmp_path / "a.txt")], marked), tmp_path / "other")
    assert not other.has_identity(old.identity)


def test_a_shard_cut_short_while_it_is_in_use_is_told(prepare_string, tmp_path):
    split = prepare_string("abcdefgh " * 2000, tmp_path / "data").train
    split.gather(np.array([0, 5]), 4)
    (shard,) = (tmp_path / "data" / "train").glob("*.bin")
    os.truncate(shard, 4096)
    with pytest.raises(DataError, match=r"was cut to 4,096 bytes while it was in use"):
        split.gather(np.array([0, split.n_tokens - 4]), 4)
    with pytest.raises(DataError, match="was cut to"):
        split.read(split.n_tokens - 4, 4)
