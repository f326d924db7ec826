"""What the Tab key offers: names of runs, datasets, presets and tokenizers, and paths."""

import glob
from collections.abc import Callable, Collection
from pathlib import Path

from gptcli.checkpoint.config_json import CONFIG_FILE
from gptcli.checkpoint.run import RUNS
from gptcli.data.dataset_record import DATASETS, RECORD_FILE
from gptcli.tokenization.kinds import KINDS

Offer = Callable[[str], list[str]]
"""Takes the beginning of a word and returns the words that it may become."""


def one_of(names: Collection[str]) -> Offer:
    """Offer these names alone; they are gone through when the Tab key asks."""

    def offer(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return offer


def models(incomplete: str) -> list[str]:
    """Offer the runs that are here, and paths."""
    return _with_paths(_entries(RUNS, CONFIG_FILE), incomplete)


def models_or(names: Collection[str]) -> Offer:
    """Offer these names, the runs that are here, and paths."""
    listed = one_of(names)
    return lambda incomplete: [*listed(incomplete), *models(incomplete)]


def datasets(incomplete: str) -> list[str]:
    """Offer the datasets that are here, and paths."""
    return _with_paths(_entries(DATASETS, RECORD_FILE), incomplete)


def tokenizers(incomplete: str) -> list[str]:
    """Offer the kinds of tokenizer, the datasets and runs that are here, and paths."""
    owners = [*_entries(DATASETS, RECORD_FILE), *_entries(RUNS, CONFIG_FILE)]
    return _with_paths([*KINDS, *owners], incomplete)


def _entries(parent: Path, record: str) -> list[str]:
    return sorted(file.parent.as_posix() for file in parent.glob(f"*/{record}"))


def _with_paths(names: list[str], incomplete: str) -> list[str]:
    offered = one_of(names)(incomplete)
    paths = sorted(glob.glob(glob.escape(incomplete) + "*"))
    shown = [f"{name}/" if Path(name).is_dir() else name for name in paths if name not in offered]
    return [*offered, *shown]
