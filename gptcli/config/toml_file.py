"""TOML files of named values, and the place in a file that a message names."""

import difflib
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptcli.errors import UsageError


@dataclass(frozen=True)
class TomlFile:
    """The text of a TOML file and the values in it."""

    path: Path
    text: str
    values: dict[str, Any]

    @classmethod
    def parse(cls, path: Path, content: bytes) -> "TomlFile":
        """Read ``content``, the bytes of ``path``; UsageError where they are not TOML."""
        try:
            text = content.decode("utf-8")
            return cls(path, text, tomllib.loads(text))
        except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors alike
            raise UsageError(f"{path} is not valid TOML: {error}") from error

    def place(self, key: str, table: str = "") -> str:
        """The file and the line on which a key of a table stands, for a message."""
        current = ""
        for number, line in enumerate(self.text.splitlines(), start=1):
            begin = line.partition("#")[0].partition("=")[0].strip()
            if begin.startswith("["):
                current = begin.strip("[] ")
                if not table and current == key:
                    return f"{self.path}, line {number}"
            elif current == table and begin.strip("\"'") == key:
                return f"{self.path}, line {number}"
        return str(self.path)

    def unknown(self, key: str, known: Collection[str], what: str, table: str = "") -> UsageError:
        """The error for a key that is not one of ``known``, with the nearest that is.

        ``what`` says what the key is not.
        """
        near = difflib.get_close_matches(key.replace("-", "_"), known, n=1)
        hint = f"did you mean {near[0]}?" if near else "leave it out"
        return UsageError(f"{self.place(key, table)}: {key:.60} is not {what}: {hint}")
