"""Texts that have a name: no file needed."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gptcli.data.corpus.python_source import read_standard_library
from gptcli.data.corpus.shakespeare_source import read_shakespeare
from gptcli.data.text import SourceText, read_stdin, read_text
from gptcli.errors import UsageError

STDIN = "-"


@dataclass(frozen=True)
class BuiltInSource:
    """How to get a text by name, and a line on what it is."""

    read: Callable[[], SourceText]
    about: str


BUILT_IN_SOURCES: Mapping[str, BuiltInSource] = MappingProxyType(
    {
        "python": BuiltInSource(read_standard_library, "the source of Python's standard library"),
        "shakespeare": BuiltInSource(read_shakespeare, "Tiny Shakespeare, downloaded once"),
    }
)


def read_source(source: str) -> SourceText:
    """The text of a built-in source, of stdin (``-``) or of a file.

    A built-in name wins over a file of that name: ``./python`` is the file.
    """
    if source in BUILT_IN_SOURCES:
        return BUILT_IN_SOURCES[source].read()
    if source == STDIN:
        return read_stdin()
    path = Path(source)
    if not path.exists() and not path.is_symlink():
        near = difflib.get_close_matches(source.lower(), BUILT_IN_SOURCES, n=1)
        hint = f"did you mean {near[0]}?" if near else "check the path"
        raise UsageError(f"{source} is not there: {hint}")
    return read_text(path)


def source_name(source: str) -> str:
    """What a dataset of this source is called: ``books/input.txt`` gives ``input``."""
    if source in BUILT_IN_SOURCES:
        return source
    return "stdin" if source == STDIN else Path(source).stem.lstrip(".") or "text"
