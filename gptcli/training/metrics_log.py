"""metrics.jsonl: one JSON object a line, appended while training."""

import json
from pathlib import Path
from typing import Any

from gptcli.errors import CheckpointError
from gptcli.runtime.files import read_bounded, write_text

METRICS_FILE = "metrics.jsonl"
_LARGEST = 2**28  # bytes; a million lines have half of that
Line = dict[str, Any]


class MetricsLog:
    """Appends lines to a run's metrics; every line has the number of steps done."""

    def __init__(self, run: Path) -> None:
        self._path = run / METRICS_FILE

    def append(self, step: int, **values: float | int | None) -> None:
        """Add a line; it is written at once, so that others can follow the file."""
        line = json.dumps({"step": step, **values}, allow_nan=False)
        with self._path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(line + "\n")

    def cut_back(self, step: int) -> None:
        """Remove the lines after ``step``, and a line that a crash left incomplete."""
        kept = [line for line in self.read() if line["step"] <= step]
        write_text(self._path, "".join(json.dumps(line) + "\n" for line in kept))

    def read(self) -> list[Line]:
        """Every complete line; none if there is no file yet.

        Raises CheckpointError for what cannot be such a file, as a pipe.
        """
        if not self._path.exists():
            return []
        try:
            content = read_bounded(self._path, _LARGEST)
        except ValueError as error:
            raise CheckpointError(f"{self._path} cannot be used: {error}: remove it") from None
        lines = []
        for text in content.decode("utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(line, dict) and "step" in line and all(map(_is_number, line.values())):
                lines.append(line)
        return lines


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int | float)
