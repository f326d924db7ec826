"""The special token ids in a model directory, and whether its vocabulary has them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gptcli.checkpoint.config_json import CONFIG_FILE, read_small_json

GENERATION_FILE = "generation_config.json"
_END_NAME = "eos_token_id"
_NAMES = ("bos_token_id", _END_NAME, "pad_token_id")


def end_ids(directory: Path, vocab_size: int) -> frozenset[int]:
    """The ids that end a text, according to the directory's files and within the vocabulary."""
    found = (pair for file in _files(directory) for pair in _special_ids(read_small_json(file)))
    return frozenset(
        number for name, number in found if name == _END_NAME and 0 <= number < vocab_size
    )


def special_id_notes(directory: Path, vocab_size: int) -> tuple[str, ...]:
    """A line for every special id outside the vocabulary; such an id is ignored.

    Small models written by transformers often name GPT-2's end of text, 50256, which they lack.
    """
    notes = [
        f"{file}: {name} {number} is beyond the vocabulary of {vocab_size:,}, so it is ignored"
        for file in _files(directory)
        for name, number in _special_ids(read_small_json(file))
        if not 0 <= number < vocab_size
    ]
    return tuple(notes)


def _files(directory: Path) -> list[Path]:
    files = [directory / name for name in (CONFIG_FILE, GENERATION_FILE)]
    return [file for file in files if file.is_file()]


def _special_ids(raw: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for name in _NAMES:
        value = raw.get(name)
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int) and not isinstance(number, bool):
                yield name, number
