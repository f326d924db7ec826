"""Hostile headers of safetensors files: refused in a second, without much memory."""

import json
import resource
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from gptcli.errors import CheckpointError
from gptcli.generation.loaded_model import load_model
from tests.faults.command import DiedError, HungError, in_child
from tests.faults.small_run import small_run
from tests.faults.tally import Tally

_SECONDS, _BYTES = 1.5, 200e6  # a second on an idle machine
_TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def refused_quickly(folder: Path, tries: int) -> Tally:
    """Load a run with each of the headers in place of its own."""
    run, tally = small_run(folder, steps=2, interval=1).folder / "runs" / "text", Tally()
    for name, content in list(corpus())[:tries]:
        tally.tries += 1
        (run / "model.safetensors").write_bytes(content)
        try:
            said, seconds, n_bytes = in_child(_measured, run)
        except HungError as error:
            tally.hang(f"{name}: {error}")
            continue
        except DiedError as error:
            tally.fail(f"{name}: {error}")
            continue
        if "runs/text" not in said or len(said) > 600:
            tally.fail(f"{name}: {said[:600]}")
        elif n_bytes > _BYTES:
            tally.fail(f"{name}: {n_bytes / 1e6:,.0f} MB of memory")
        elif seconds > _SECONDS:
            tally.fail(f"{name}: {seconds:.1f} s")
    return tally


def _measured(run: Path) -> tuple[str, float, int]:
    """What the refusal says, the processor's seconds and the bytes of memory that it took."""
    before, started = _peak(), time.process_time()
    try:
        load_model(run, "cpu")
        said = "accepted"
    except CheckpointError as error:
        said = str(error)
    except Exception as error:
        said = f"{type(error).__name__}: {str(error)[:100]}"
    return said, time.process_time() - started, _peak() - before


def _peak() -> int:
    kilo = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilo


def corpus() -> Iterator[tuple[str, bytes]]:
    """Headers by what is wrong with them."""
    body = bytes(8)
    yield "nothing at all", b""
    yield "a name twice", _file(f'{{"a":{_json(_TENSOR)},"a":{_json(_TENSOR)}}}', body)
    overlapping = {"a": _TENSOR, "b": {**_TENSOR, "data_offsets": [4, 12]}}
    yield "tensors that overlap", _file(_json(overlapping), bytes(12))
    yield "a million names", _file(_names(1_000_000), body)
    yield "names up to the limit of a header", _file(_names(65_000), body)
    yield "a header of 100 MB", _file('{"a":"' + "x" * 100_000_000 + '"}', body)
    yield "100 MB of spaces", _file(" " * 100_000_000, body)
    yield "a header longer than the file", struct.pack("<Q", 2**63) + b"{}"
    yield "deep nesting", _file('{"a":' * 1_000_000, body)
    yield "deep lists", _file('{"a":' + "[" * 1_000_000, body)
    yield "a name with ../", _file(_json({"../../a": _TENSOR}), body)
    yield "an absolute name", _file(_json({"/etc/passwd": _TENSOR}), body)
    yield "a name with escapes", _file(_json({"\x1b]52;c;x\x07": _TENSOR}), body)
    yield "a name of a megabyte", _file(_json({"a" * 1_000_000: _TENSOR}), body)
    yield "many dimensions", _file(_json({"a": {**_TENSOR, "shape": [1] * 1_000_000}}), body)
    yield "a shape of huge numbers", _file(_json({"a": {**_TENSOR, "shape": [2**52] * 9}}), body)
    yield (
        "a shape of thousands of digits",
        _file('{"a":{"dtype":"F32","shape":[' + "9" * 1_000_000 + '],"data_offsets":[0,8]}}', body),
    )
    yield "a shape of none", _file(_json({"a": {**_TENSOR, "shape": None}}), body)
    yield (
        "NaN for an offset",
        _file('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,NaN]}}', body),
    )
    yield "offsets that fall", _file(_json({"a": {**_TENSOR, "data_offsets": [8, 0]}}), body)
    yield "bytes beyond the tensors", _file(_json({"a": _TENSOR}), bytes(9))
    yield "bytes that are missing", _file(_json({"a": _TENSOR}), bytes(7))
    yield "an unknown type", _file(_json({"a": {**_TENSOR, "dtype": "C" * 1_000_000}}), body)
    yield "metadata alone", _file(_json({"__metadata__": {"format": "pt"}}))
    yield "a pickle", b"\x80\x04\x95\x20" + bytes(60) + b"cos\nsystem\n."
    yield "not UTF-8", _file(b'{"\xff\xfe":1}', body)
    yield "half a character", _file(_json({"\ud800": _TENSOR}), body)


def _names(count: int) -> str:
    empty = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return "{" + ",".join(f'"{number}":{empty}' for number in range(count)) + "}"


def _json(value: object) -> str:
    return json.dumps(value)


def _file(header: str | bytes, body: bytes = b"") -> bytes:
    raw = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(raw)) + raw + body
