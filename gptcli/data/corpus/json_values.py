"""Reading the values of a JSON file one after another, without holding the file."""

import json
import re
from collections.abc import Iterator
from typing import TextIO

from gptcli.errors import DataError
from gptcli.runtime.files import NUMBER_TOO_LONG

LONGEST_VALUE = 2**26  # characters
_STEP = 2**20
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class JsonValues:
    """The values of a file: those in its array, or several in a row as ``jq`` writes them.

    Args:
        file: the text, opened with ``newline=""``.
        name: its name for messages.
        step: how many characters are read at a time, at least.

    """

    def __init__(self, file: TextIO, name: str, step: int = _STEP) -> None:
        self._file, self._name, self._step = file, name, step
        self._text, self._at, self._lines = "", 0, 0  # what is read, and what was there before
        self._is_read = False

    def __iter__(self) -> Iterator[str]:
        """Give the JSON of each value in one line; DataError where the file is no sound JSON."""
        if self._next_sign() == "\ufeff":
            self._at += 1
        is_array = self._next_sign() == "["
        self._at += is_array
        while (sign := self._next_sign()) not in ("", "]"):
            yield self._value()
            if is_array and (sign := self._next_sign()) != "]":
                self._expect(",", sign)
        if is_array:
            self._expect("]", sign)
        self._expect("", self._next_sign())

    def _next_sign(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        while True:
            found = _SPACE.match(self._text, self._at)
            assert found, "the pattern may match nothing"
            self._at = found.end()
            if self._at < len(self._text) or not self._fill():
                return self._text[self._at : self._at + 1]

    def _expect(self, wanted: str, sign: str) -> None:
        if sign != wanted:
            missing = f"{wanted!r} is missing" if wanted else "there is more after the array"
            raise self._refusal(missing, self._at)
        self._at += len(wanted)

    def _value(self) -> str:
        while True:
            try:
                _, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise self._refusal("it is too deeply nested", self._at) from None
            except json.JSONDecodeError as error:  # also for what goes on behind what is read
                if not self._fill():
                    raise self._refusal(error.msg, error.pos) from None
                continue
            except ValueError:
                raise self._refusal(NUMBER_TOO_LONG, self._at) from None
            if end < len(self._text) or not self._fill():  # a number might go on
                break
        value = self._text[self._at : end]
        self._at = end
        return value.replace("\n", " ").replace("\r", " ")

    def _fill(self) -> bool:
        """Read more behind the place; False at the end of the file."""
        left = self._text[self._at :]
        if len(left) > LONGEST_VALUE:
            raise self._refusal(f"a record is longer than {LONGEST_VALUE // 2**20} MiB", self._at)
        more = "" if self._is_read else self._file.read(max(len(left), self._step))
        self._is_read = not more
        if more:
            self._lines += self._text.count("\n", 0, self._at)
            self._text, self._at = left + more, 0
        return bool(more)

    def _refusal(self, reason: str, at: int) -> DataError:
        line = self._lines + self._text.count("\n", 0, at) + 1
        return DataError(f"{self._name}, line {line:,}: not valid JSON ({reason}): correct it")
