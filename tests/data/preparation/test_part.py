"""Parts give back what was written into them, text without tokens included."""

import json

import numpy as np
import pytest

from gptcli.data.preparation.part import PartTokens, PartWriter, check_part, in_order
from gptcli.data.token_writer import EncodedTokens
from gptcli.errors import DataError


def encoded(ids, starts, characters):
    ids = np.array(ids, dtype="<u2")
    return EncodedTokens(ids, None, np.array(starts, dtype=np.int64), characters, 2 * characters)


def test_parts_in_order_are_what_was_written(tmp_path):
    written = [
        [encoded([5, 6, 7], [0, 2], 3), encoded([], [0], 1)],  # a document starts with white space
        [encoded([], [], 9)],
        [encoded([8], [], 1)],
    ]
    folders = []
    for number, pieces in enumerate(written):
        directory = tmp_path / str(number)
        directory.mkdir()
        with PartWriter(directory, "uint16", is_masked=False) as writer:
            for piece in pieces:
                writer.write("train", piece)
            writer.close("")
        folders.append(directory)
    found = list(in_order(PartTokens.open(folders, "train", 9, is_masked=False)))
    bases = np.cumsum([0, *(len(one.ids) for one in found[:-1])])
    starts = [n + base for one, base in zip(found, bases, strict=True) for n in one.starts]
    assert np.concatenate([one.ids for one in found]).tolist() == [5, 6, 7, 8]
    assert starts == [0, 2, 3]
    assert sum(one.characters for one in found) == 14
    assert sum(one.bytes for one in found) == 28


@pytest.mark.parametrize("splits", [None, {"train": None}, {"train": {"tokens": 0}}, {}])
def test_part_without_a_record_of_its_split_is_damaged(tmp_path, splits):
    with PartWriter(tmp_path, "uint16", is_masked=False) as writer:
        writer.close("")
    (tmp_path / "part.json").write_text(json.dumps({"plan": "", "splits": splits}))
    with pytest.raises(DataError, match=r"part\.json is damaged: remove"):
        PartTokens.open([tmp_path], "train", 9, is_masked=False)


@pytest.mark.parametrize("sums", [[], "x", None])
def test_part_without_its_checksums_is_damaged(tmp_path, sums):
    (tmp_path / "part.json").write_text(json.dumps({"plan": "", "splits": {}, "sha256": sums}))
    with pytest.raises(DataError, match=r"part\.json is damaged: remove"):
        check_part(tmp_path)
