"""Special ids that a model directory names, and whether its vocabulary has them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gptcli.checkpoint.config_json import CONFIG_FILE, read_small_json

GENERATION_FILE = "generation_config.json"
_NAMES = ("bos_token_id", "eos_token_id", "pad_token_id")


def special_id_notes(directory: Path, vocab_size: int) -> tuple[str, ...]:
    """A line for every special id beyond the vocabulary: such an id is ignored.

    Small models that transformers wrote have GPT-2's end of text, 50256, without its entry.
    """
    files = [directory / name for name in (CONFIG_FILE, GENERATION_FILE)]
    notes = [
        f"{file}: {name} {number} is beyond the vocabulary of {vocab_size:,}, so it is ignored"
        for file in files
        if file.is_file()
        for name, number in _special_ids(read_small_json(file))
        if not 0 <= number < vocab_size
    ]
    return tuple(notes)


def _special_ids(raw: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for name in _NAMES:
        value = raw.get(name)
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int) and not isinstance(number, bool):
                yield name, number
