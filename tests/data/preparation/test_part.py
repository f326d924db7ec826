"""Parts give back what was written into them, text without tokens included."""

import numpy as np

from gptcli.data.preparation.encode import Encoded
from gptcli.data.preparation.part import PartSplit, PartWriter, in_order


def encoded(ids, starts, characters):
    ids = np.array(ids, dtype="<u2")
    return Encoded(ids, None, np.array(starts, dtype=np.int64), characters, 2 * characters)


def test_parts_in_order_are_what_was_written(tmp_path):
    written = [
        [encoded([5, 6, 7], [0, 2], 3), encoded([], [0], 1)],  # a document starts with white space
        [encoded([], [], 9)],
        [encoded([8], [], 1)],
    ]
    parts = []
    for number, pieces in enumerate(written):
        directory = tmp_path / str(number)
        directory.mkdir()
        with PartWriter(directory, is_masked=False) as writer:
            for piece in pieces:
                writer.write("train", piece)
            writer.close("")
        parts.append(PartSplit(directory, "train", "uint16", is_masked=False))
    found = list(in_order(parts))
    bases = np.cumsum([0, *(len(one.ids) for one in found[:-1])])
    starts = [n + base for one, base in zip(found, bases, strict=True) for n in one.starts]
    assert np.concatenate([one.ids for one in found]).tolist() == [5, 6, 7, 8]
    assert starts == [0, 2, 3]
    assert sum(one.characters for one in found) == 14
    assert sum(one.bytes for one in found) == 28
