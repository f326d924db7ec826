"""JSON is one document with its schema, whatever is in it and however long it is."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from gptcli.commands.view.documents import (
    Computed,
    StreamedList,
    StreamedText,
    document_chunks,
    document_line,
)

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_VALUES = st.recursive(
    _LEAVES.filter(lambda value: value not in (math.inf, -math.inf)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def written(document) -> str:
    return "".join(document_chunks("gptcli.test/1", document))


@given(st.dictionaries(st.text(), _VALUES))
def test_a_document_reads_back_as_it_was(document) -> None:
    document.pop("schema", None)
    assert json.loads(written(document)) == {"schema": "gptcli.test/1"} | document
    assert json.loads(document_line(document)) == document


def test_numbers_that_json_lacks_are_null() -> None:
    document = {"a": math.nan, "b": [1.0, math.inf], "c": [{"d": -math.inf}]}
    expected = {"a": None, "b": [1.0, None], "c": [{"d": None}]}
    assert json.loads(written(document)) == {"schema": "gptcli.test/1"} | expected
    assert json.loads(document_line(document)) == expected


def test_nothing_in_it_steers_a_terminal() -> None:
    text = written({"a": "".join(map(chr, range(256)))})
    assert not [one for one in text if (ord(one) < 32 and one != "\n") or 127 <= ord(one) < 160]
    assert json.loads(written({"a": "\u202e\u2066"}))["a"] == "\u202e\u2066"
    assert "\u202e" not in written({"a": "\u202e\u2066"})


def test_streams_are_parts_of_the_document() -> None:
    document = {
        "ids": StreamedList([["1", "2"], [], ["3"]]),
        "text": StreamedText(iter(["a\n", "", 'b"'])),
        "none": StreamedList([]),
        "after": 1,
    }
    expected = {"ids": [1, 2, 3], "text": 'a\nb"', "none": [], "after": 1}
    assert json.loads(written(document)) == {"schema": "gptcli.test/1"} | expected


def test_what_is_computed_may_depend_on_what_stands_before_it() -> None:
    seen: list[str] = []

    def ids():
        seen.append("1")
        yield ["1"]

    document = {"ids": StreamedList(ids()), "counts": Computed(lambda: {"tokens": len(seen)})}
    assert json.loads(written(document))["counts"] == {"tokens": 1}
