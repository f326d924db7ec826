"""metrics.jsonl and answers.jsonl: one JSON object a line, appended while training."""

import json
from pathlib import Path
from typing import Any, ClassVar

from gptcli.errors import CheckpointError
from gptcli.runtime.files import read_bounded, write_text

METRICS_FILE = "metrics.jsonl"
ANSWERS_FILE = "answers.jsonl"  # that a policy gives to held-out questions
_LARGEST = 2**28  # bytes; a million lines have half of that
Line = dict[str, Any]


class StepLog:
    """Appends lines to a file of a run; every line has the number of steps done."""

    file: ClassVar[str]

    def __init__(self, run: Path) -> None:
        self._path = run / self.file

    def append(self, step: int, **values: object) -> None:
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
            if isinstance(line, dict) and "step" in line and self._is_whole(line):
                lines.append(line)
        return lines

    def _is_whole(self, line: Line) -> bool:
        """Whether the line holds what such lines hold."""
        return type(line["step"]) is int


class MetricsLog(StepLog):
    """The figures of steps and evaluations: numbers, or null."""

    file = METRICS_FILE

    def _is_whole(self, line: Line) -> bool:
        return all(value is None or isinstance(value, int | float) for value in line.values())


class AnswersLog(StepLog):
    """What a policy answers to the first held-out questions at each evaluation."""

    file = ANSWERS_FILE
