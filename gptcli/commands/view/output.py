"""Where a result goes: to stdout or to a file, in the format that was asked for."""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gptcli.errors import UsageError

_NEED_A_FILE = MappingProxyType({"html": "page.html", "npz": "arrays.npz", "png": "figure.png"})
"""Formats that are not for a terminal, and an example of a file name."""
_BYTES = ("npz", "png")  # formats that are not text


@dataclass(frozen=True)
class Output:
    """The format of a result and the file that takes it; without a file it goes to stdout."""

    form: str = "table"
    out: Path | None = None
    overwrite: bool = False

    def check(self) -> None:
        """Refuse an ``--out`` that is missing, taken or no file, before any work is done."""
        out = self.out
        if out is None:
            self._check_stdout()
            return
        if str(out) == "-":
            raise UsageError("--out - is not a file: without --out the result goes to stdout")
        if out.is_symlink():  # /dev/stdout is one, too
            raise UsageError(
                f"--out {out} is a link, which is never replaced: name the file that it leads to, "
                "or leave --out out to write to stdout"
            )
        if out.name in ("", "..") or out.is_dir() or (out.exists() and not out.is_file()):
            raise UsageError(
                f"--out {out} is not a regular file, and is never replaced: name a new file, "
                "or leave --out out to write to stdout"
            )
        from gptcli.runtime.outputs import output_path  # noqa: PLC0415  for files alone

        output_path(out, out.parent, out.name, self.overwrite)

    def _check_stdout(self) -> None:
        """Refuse to fill a terminal with a page, or stdout with bytes."""
        name = _NEED_A_FILE.get(self.form)
        if name and (self.form in _BYTES or sys.stdout.isatty()):
            raise UsageError(f"--format {self.form} needs a file: give --out {name}")
