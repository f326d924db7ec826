"""A tokenizer whose regular expression takes time without end is given up."""

import json
import time

import pytest

from gptcli.errors import CheckpointError
from gptcli.tokenization import time_limit
from gptcli.tokenization.kinds import TokenizerSpec
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import train_tokenizer

TEXT = ("x" * 18 + " ") * 2000  # the expression tries 2**18 divisions of each word


@pytest.fixture
def slow() -> Tokenizer:
    content = json.loads(train_tokenizer(TokenizerSpec("bpe", 300), ["x y"]).to_json())
    split = {"type": "Split", "behavior": "Isolated", "invert": False}
    byte_level = {**content["pre_tokenizer"], "use_regex": False}
    parts = [{**split, "pattern": {"Regex": "(x+x+)+y"}}, byte_level]
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": parts}
    return Tokenizer.from_json(json.dumps(content))


def test_it_is_given_up_in_time(slow: Tokenizer, monkeypatch) -> None:
    monkeypatch.setattr(time_limit, "_LEAST", 0.2)
    monkeypatch.setattr(time_limit, "_SLOWEST", 1e9)
    began = time.monotonic()
    with pytest.raises(CheckpointError, match="has not encoded 38,000 characters"):
        slow.encode(TEXT)
    with pytest.raises(CheckpointError, match="regular expressions takes time without end"):
        slow.encode_batch([TEXT])
    assert time.monotonic() - began < 3


def test_what_it_can_encode_in_time_it_encodes(slow: Tokenizer) -> None:
    assert slow.decode(slow.encode("xx xy y")) == "xx xy y"
