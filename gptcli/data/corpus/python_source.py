"""A corpus that is always there: the source of the running interpreter's standard library."""

import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

from gptcli.data.text import SourceText, whole_text
from gptcli.errors import DataError, ResourceError

# Tests repeat themselves, the rest is another program or not the standard library.
_LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
)


def read_standard_library(root: Path | None = None) -> SourceText:
    """Every .py file below ``root`` (the standard library), in the order of their paths.

    Line ends become newlines. The name counts the files that could not be decoded, if any.
    """
    root = root or Path(sysconfig.get_path("stdlib"))
    texts: list[str] = []
    skipped = 0
    for file in _source_files(root):
        try:
            with tokenize.open(file) as opened:  # reads the encoding that the file declares
                texts.append(opened.read())
        except (SyntaxError, UnicodeDecodeError):
            skipped += 1
        except OSError as error:
            raise ResourceError(f"cannot read {file}: {error.strerror or error}") from error
    if not texts:
        raise DataError(f"no Python source in {root}: this interpreter has none; prepare a file")
    name = f"python ({len(texts)} files" + (
        f", {skipped} undecodable left out)" if skipped else ")"
    )
    return whole_text("".join(texts), name)


def _source_files(root: Path) -> Iterator[Path]:
    inside = (file.relative_to(root) for file in root.rglob("*.py"))
    wanted = (file for file in inside if not _LEFT_OUT.intersection(file.parts))
    return (root / file for file in sorted(wanted, key=lambda file: file.as_posix()))
