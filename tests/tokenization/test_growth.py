"""A small file never makes gigabytes of a short text."""

import pytest
import tokenizers
from tokenizers import Regex, decoders, models, normalizers

from gptcli.errors import CheckpointError
from gptcli.tokenization.tokenizer import Tokenizer


def written(**parts: object) -> str:
    inner = tokenizers.Tokenizer(models.WordLevel({"a": 0}, "a"))
    for name, part in parts.items():
        setattr(inner, name, part)
    return inner.to_str()


TEN = normalizers.Replace("a", "a" * 10)


@pytest.mark.parametrize(
    "parts",
    [
        {"normalizer": normalizers.Sequence([TEN] * 9)},
        {"normalizer": normalizers.Sequence([normalizers.Sequence([TEN] * 2)] * 2)},
        {"normalizer": normalizers.Replace(Regex("."), "a" * 1001)},
        {"decoder": decoders.Sequence([decoders.Replace("a", "a" * 10)] * 4)},
    ],
)
def test_replacements_that_multiply_are_refused_unused(parts) -> None:
    with pytest.raises(CheckpointError, match="characters of one"):
        Tokenizer.from_json(written(**parts), "x/tokenizer.json")


def test_the_usual_replacements_are_taken() -> None:
    usual = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581"), TEN, TEN]
    )
    Tokenizer.from_json(written(normalizer=usual))
