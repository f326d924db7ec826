"""Reading a model directory whose files may be replaced meanwhile, all of them or some."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gptcli.errors import GptcliError, ResourceError

_TRIES = 5
_DESCRIBING = frozenset({".json", ".model", ".txt", ".bpe", ".tiktoken"})
_GROWING = frozenset({"train.json", "manifest.json"})  # every save replaces them

Stamp = tuple[object, ...]
Result = TypeVar("Result")


def read_together(directory: Path, read: Callable[[], Result]) -> Result:
    """The result of ``read``, made of files of the directory that belong together.

    Where config, tokenizer or the whole directory was replaced meanwhile, it is read again;
    ResourceError where that happens every time. Weights alone may be replaced: they are read
    from a file that is held open, and those of a run all fit its config.
    """
    for _ in range(_TRIES):
        before = stamp(directory)
        try:
            result = read()
        except (GptcliError, OSError):
            if stamp(directory) == before:
                raise
        else:
            if stamp(directory) == before:
                return result
    raise ResourceError(
        f"{directory} was replaced during each of {_TRIES} attempts to read it: "
        "try again when nothing is writing to it"
    )


def stamp(directory: Path) -> Stamp:
    """What differs when the directory, or a file beside its weights, has been replaced."""
    try:
        files = sorted(
            file
            for file in directory.iterdir()
            if file.suffix in _DESCRIBING and file.name not in _GROWING
        )
        statuses = [path.stat() for path in (directory, *files)]
    except OSError as error:
        return (error.errno,)
    place = (statuses[0].st_dev, statuses[0].st_ino)
    return (
        place,
        *((file.name, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns)
          for file, s in zip(files, statuses[1:], strict=True)),
    )  # fmt: skip
