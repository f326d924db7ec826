"""Datasets of the Hugging Face hub as sources: ``hf:owner/name``, ``hf:owner/name:data/*.parquet``.

Their files are downloaded one after another into the cache of huggingface_hub, and read there as
any other files.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from gptcli.data.corpus.inputs import DocumentLayout, form_of
from gptcli.data.corpus.source_files import Found, FoundFile
from gptcli.errors import UsageError
from gptcli.runtime.hub_datasets import dataset_files, fetch_dataset_file

HUB = "hf:"
_OF_TEXT = (".txt", ".text")
_BEST_FIRST = (DocumentLayout.PARQUET, DocumentLayout.JSONL, DocumentLayout.TEXT)


def is_on_hub(source: str) -> bool:
    """Whether a source is a dataset of the hub."""
    return source.startswith(HUB)


def hub_name(source: str) -> str:
    """The dataset's own name: ``hf:owner/name`` gives ``name``."""
    return PurePosixPath(_parts(source)[0]).name or "text"


def find_on_hub(source: str) -> Found:
    """The files that ``source`` names, downloaded unless they are in the cache."""
    name, _ = _parts(source)
    paths = [(file, fetch_dataset_file(name, file)) for file in files_of(source)]
    found = tuple(FoundFile(f"{HUB}{name}:{file}", path, path.stat()) for file, path in paths)
    return Found(source, found, is_glob=True)


def download(source: str, file: str) -> None:
    """Fetch one of the ``files_of`` a source into the cache, unless it is there."""
    fetch_dataset_file(_parts(source)[0], file)


def files_of(source: str) -> list[str]:
    """The names of the files that a source means: those like its pattern, else for training.

    Raises UsageError where there are none, and ResourceError where the hub cannot be reached.
    """
    name, pattern = _parts(source)
    if not name:
        raise UsageError(f"{source} names no dataset: write hf:owner/name")
    files = dataset_files(name)
    if pattern:
        chosen = [file for file in files if fnmatchcase(file, pattern)]
    else:
        chosen = _of_training(_readable(files))
    if not chosen:
        some = ", ".join(files[:5]) or "no file at all"
        what = f"no file like {pattern}" if pattern else "no .parquet, .jsonl or .txt file"
        raise UsageError(
            f"{source}: {what} in the dataset, it has {some}: name others as in "
            f"{HUB}{name}:data/*.parquet"
        )
    return chosen


def _parts(source: str) -> tuple[str, str]:
    name, _, pattern = source.removeprefix(HUB).partition(":")
    return name, pattern


def _readable(files: Sequence[str]) -> list[str]:
    """The files of the best layout that can be read; of others there may be copies."""
    by_layout: dict[DocumentLayout, list[str]] = {layout: [] for layout in _BEST_FIRST}
    for file in files:
        layout = form_of(file)[0]
        if layout is not DocumentLayout.TEXT or file.endswith(_OF_TEXT):
            by_layout[layout].append(file)
    return next(filter(None, by_layout.values()), [])


def _of_training(files: Sequence[str]) -> list[str]:
    """The files whose names speak of training, where some do; prepare holds out its own part."""
    return [file for file in files if "train" in file.lower()] or list(files)
