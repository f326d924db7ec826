import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.data.corpus.json_values import JsonValues
from gptcli.errors import DataError

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=9)
objects = st.dictionaries(st.text(max_size=5), scalars | st.lists(scalars, max_size=3), max_size=4)


def values_of(text, step=4):
    return list(JsonValues(io.StringIO(text, newline=""), "x.json", step))


@settings(deadline=None)
@given(
    st.lists(objects | st.integers(), max_size=6),
    st.sampled_from([None, 0, 3]),
    st.booleans(),
    st.integers(1, 40),
)
def test_an_array_and_values_in_a_row_give_what_json_gives(values, indent, is_ascii, step):
    def written(value):
        return json.dumps(value, indent=indent, ensure_ascii=is_ascii)

    in_a_row = "\r\n".join(map(written, values))
    for text in (written(values), f"\ufeff \n{written(values)}\n", in_a_row):
        lines = values_of(text, step)
        assert [json.loads(line) for line in lines] == values
        assert not any("\n" in line or "\r" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"a": 1},\n {"a": 2}', r"line 2: not valid JSON \(',' is missing\)"),
        ('[{"a": 1}\n {"a": 2}]', r"line 2: .*',' is missing"),
        ('[{"a": 1},\n {"a": "cut', "line 2: not valid JSON"),
        ('[{"a": 1},\n {"a": oh}]', "line 2: .*Expecting value"),
        ('[{"a": 1}]\n[]', "line 2: .*more after the array"),
        ('{"a": 1}\n]', "line 2: .*more after"),
        (
            '[{"a": 1},\n' + 6000 * "9" + "]",
            r"line 2: not valid JSON \(a number in it is too long\)",
        ),
        ("[" * 100_000, "line 1: .*deeply nested"),
    ],
)
def test_damage_is_named_with_its_line(text, says):
    with pytest.raises(DataError, match=rf"^x\.json, {says}.*: correct it$"):
        values_of(text)
