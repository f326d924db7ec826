"""Strategies of damaged and hostile files, made from sound ones."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

# What does not belong where numbers, names and lists are.
_HOSTILE = (
    None, True, False, -1, 0, 1, 2, 255, 2**31, 2**63, 10**30, 0.5, -1e308, 1e308, "", " ", "a",
    "\n", "\x1b]52;c;x\x07", "../../x", "\ud800", "\U0001f600", "x" * 3000, "(a+)+$", "[", [], {},
    [[]], [0] * 3000, {"type": None}, {"type": "Sequence"}, "ByteLevel", "NFC", "<|endoftext|>",
)  # fmt: skip


_COUNT = st.sampled_from((0, 1, 1, 1, 1, 1, 2, 2))


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with up to two places changed, taken out, repeated or cut off."""
    for _ in range(draw(_COUNT)):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        end = at + draw(st.sampled_from((1, 1, 2, 8, 100)))
        new = draw(
            st.sampled_from((b"", b"\0", b"\xff", b"\n", b"{", b'"', content[at:end] * 3))
            | st.binary(min_size=1, max_size=9)
        )
        is_cut = draw(st.integers(0, 9)) == 0
        content = content[:at] if is_cut else content[:at] + new + content[end:]
    return content


@st.composite
def damaged_json(draw: st.DrawFn, document: Any) -> str:
    """The document with up to two values replaced, exchanged, renamed or taken out."""
    document = copy.deepcopy(document)
    for _ in range(draw(_COUNT)):
        places = list(_places(document))
        if not places:
            break
        container, key = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.sampled_from(("replace", "replace", "exchange", "remove", "rename"))):
            case "replace":
                container[key] = copy.deepcopy(draw(st.sampled_from(_HOSTILE)))
            case "exchange":
                other, name = places[draw(st.integers(0, len(places) - 1))]
                container[key] = copy.deepcopy(other[name])
            case "remove":
                del container[key]
            case "rename" if isinstance(container, dict):
                container[draw(st.sampled_from((f"{key}x", "", "type", "id")))] = container.pop(key)
    return json.dumps(document)


def _places(value: Any) -> Any:
    """Every key of every object and list: (container, key)."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
