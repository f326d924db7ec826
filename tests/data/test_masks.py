"""Masked datasets: what is read is what was written, and damage is named with its place."""

import json
import os
from itertools import accumulate

import numpy as np
import pytest

from gptcli.data.dataset import Dataset
from gptcli.data.dataset_record import DatasetRecord, parse_record
from gptcli.errors import DataError

TRAIN = [(f"{a}+{b}=", f"{a + b}\n") for a in range(12) for b in range(9)]
VAL = [(f"{a}+9=", f"{a + 9}\n") for a in range(12)]
MASK = [bit for pair in TRAIN for bit in [False] * len(pair[0]) + [True] * len(pair[1])]


@pytest.fixture
def masked(masked_dataset) -> Dataset:
    return masked_dataset(TRAIN, VAL)


def edit_record(dataset: Dataset, edit) -> None:
    file = dataset.directory / "dataset.json"
    value = json.loads(file.read_text())
    edit(value)
    file.write_text(json.dumps(value))


def reopened(record: DatasetRecord) -> DatasetRecord:
    return parse_record(json.dumps(record.to_json()).encode(), "there")


@pytest.mark.parametrize("per_shard", [1, 7, 100, 10**6])
def test_mask_rows_lie_beside_token_rows(masked_dataset, per_shard: int) -> None:
    split = masked_dataset(TRAIN, VAL, per_shard=per_shard).train
    text = "".join(map("".join, TRAIN))
    assert split.n_tokens == len(MASK) == len(text)
    assert split.read_mask(0, split.n_tokens).tolist() == MASK
    starts = np.array([0, 5, split.n_tokens - 20, 5])
    rows = split.gather_masks(starts, 20)
    assert rows.dtype == np.bool_
    assert rows.tolist() == [MASK[start : start + 20] for start in starts]
    assert split.read_mask(3, 0).tolist() == []


def test_targets_are_the_counted_tokens_but_the_first(masked_dataset) -> None:
    assert masked_dataset(TRAIN, VAL, "a").train.n_targets == sum(MASK)
    assert masked_dataset([("", "ab")], VAL, "b").train.n_targets == 1
    assert masked_dataset([("ab", "")], VAL, "c").train.n_targets == 0
    assert masked_dataset(TRAIN, [], "d").val.n_targets == 0


def test_without_masks_every_token_but_the_first_is_a_target(make_dataset) -> None:
    split = make_dataset().train
    assert not split.is_masked
    assert split.n_targets == split.n_tokens - 1


def test_documents_start_where_they_were_put(masked: Dataset) -> None:
    lengths = [len(prompt + rest) for prompt, rest in TRAIN]
    assert masked.train.document_starts.tolist() == [0, *accumulate(lengths[:-1])]


def test_an_empty_masked_split_has_nothing(masked_dataset) -> None:
    split = masked_dataset(TRAIN).val
    assert split.is_masked
    assert split.document_starts.size == split.windows(8).starts.size == 0


@pytest.mark.parametrize("per_shard", [10, 10**6])
@pytest.mark.parametrize("number", [2, 255])
def test_a_mask_byte_that_is_no_bit_is_named_with_its_place(
    masked_dataset, per_shard: int, number: int
) -> None:
    dataset = masked_dataset(TRAIN, VAL, per_shard=per_shard)
    index, inside = divmod(33, per_shard)
    with (dataset.directory / "train" / f"part-{index:05d}.mask").open("r+b") as file:
        file.seek(inside)
        file.write(bytes([number]))
    split = Dataset.open(dataset.directory).train
    message = rf"part-{index:05d}\.mask is damaged: mask byte {number} at byte {inside} "
    for look in (
        lambda: split.gather_masks(np.array([0, 30]), 8),
        lambda: split.read_mask(0, split.n_tokens),
        lambda: split.windows(16),
        lambda: split.n_targets,
    ):
        with pytest.raises(DataError, match=message):
            look()
    assert split.gather_masks(np.array([0, 34]), 8).shape == (2, 8)


@pytest.mark.parametrize("name", ["train/part-00000.mask", "val/documents.bin"])
def test_every_other_length_is_refused_at_opening(masked: Dataset, name: str) -> None:
    file = masked.directory / name
    size = file.stat().st_size
    for length in [*range(0, size, 7), size - 1, size + 1]:
        os.truncate(file, length)
        with pytest.raises(DataError, match=rf"{file.name} is damaged: it has {length:,} bytes"):
            Dataset.open(masked.directory)
    file.unlink()
    with pytest.raises(DataError, match=rf"{file.name} is missing"):
        Dataset.open(masked.directory)


@pytest.mark.parametrize("name", ["train/part-00001.mask", "train/part-00000.mask"])
def test_a_mask_that_nobody_recorded_is_refused(make_dataset, name: str) -> None:
    dataset = make_dataset()
    (dataset.directory / name).write_bytes(b"\1")
    with pytest.raises(DataError, match=r"\.mask is not in dataset\.json"):
        Dataset.open(dataset.directory)


@pytest.mark.parametrize(
    ("index", "start", "place"),
    [
        (0, 1, "byte 0 "),
        (0, 2**64 - 1, "byte 0 "),
        (5, 0, "byte 40 "),
        (7, 2**63, "byte 64 "),
        (-1, 10**6, "byte 856 "),
        (-1, 2**64 - 1, "byte 856 "),
    ],
)
def test_document_starts_out_of_order_are_named(masked: Dataset, index, start, place) -> None:
    file = masked.directory / "train" / "documents.bin"
    starts = np.fromfile(file, dtype="<u8")
    starts[index] = start
    starts.tofile(file)
    split = Dataset.open(masked.directory).train
    with pytest.raises(DataError, match=rf"documents\.bin is damaged: at {place}") as caught:
        split.windows(8)
    assert "\n" not in str(caught.value)


def test_a_wrong_number_of_targets_is_damage(masked: Dataset) -> None:
    edit_record(masked, lambda record: record["splits"]["train"].update(targets=7))
    with pytest.raises(DataError, match="7 targets in train, the masks have"):
        _ = Dataset.open(masked.directory).train.n_targets


def in_train(**fields):
    return lambda record: record["splits"]["train"].update(fields)


def without(split: str, field: str):
    return lambda record: record["splits"][split].pop(field)


def strip_val(record) -> None:
    for field in ("targets", "starts_sha256"):
        del record["splits"]["val"][field]
    del record["splits"]["val"]["shards"][0]["mask_sha256"]


@pytest.mark.parametrize(
    "edit",
    [
        without("train", "targets"),
        without("val", "starts_sha256"),
        lambda record: record["splits"]["train"]["shards"][0].pop("mask_sha256"),
        lambda record: record["splits"]["train"]["shards"][0].update(mask_sha256="x"),
        strip_val,
        in_train(starts_sha256=5),
        in_train(starts_sha256=None),
        in_train(targets=-1),
        in_train(targets=10**6),
        in_train(targets=True),
        in_train(documents=0),
        in_train(documents=10**6),
        in_train(documents=10**30),
        in_train(documents="2"),
    ],
)
def test_hostile_record_of_masks_is_refused_in_one_line(masked: Dataset, edit) -> None:
    edit_record(masked, edit)
    with pytest.raises(DataError, match=r"dataset\.json is damaged") as caught:
        Dataset.open(masked.directory)
    assert "\n" not in str(caught.value)


def test_identity_is_of_the_masks_and_the_documents_too(masked_dataset) -> None:
    identities = {
        masked_dataset(pairs, VAL, f"set-{number}").identity
        for number, pairs in enumerate(
            ([("1=", "12")], [("1", "=12")], [("1=1", "2")], [("1=", "1"), ("", "2")])
        )
    }
    assert len(identities) == 4


def test_a_record_reads_back_what_it_writes(masked: Dataset, make_dataset) -> None:
    plain = make_dataset("plain").record
    assert reopened(masked.record) == masked.record
    assert reopened(plain) == plain
    assert masked.record.is_masked
    assert not plain.is_masked
    assert "mask" not in json.dumps(plain.to_json())


def test_a_record_from_before_masks_is_read_and_is_the_same_data(make_dataset) -> None:
    dataset = make_dataset()
    edit_record(dataset, lambda record: [s.pop("documents") for s in record["splits"].values()])
    old = Dataset.open(dataset.directory)
    assert old.identity == dataset.identity
    assert old.record.splits["train"].documents == 0


def test_the_longest_document_is_the_longest_question_with_its_answer(masked_dataset) -> None:
    dataset = masked_dataset([("1+1=", "2\n"), ("12+12=", "24\n"), ("1+", "2\n")])
    assert dataset.train.longest_document == len("12+12=24\n")
    assert dataset.val.longest_document == 0, "there is none"
