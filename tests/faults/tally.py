"""What trying a fault showed, and the cases that are tried."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


class NotPossibleHere(Exception):  # noqa: N818
    """Raised by a case that needs what this machine does not allow; says what."""


@dataclass
class Tally:
    """How often a fault was tried, and what it cost.

    ``lost`` counts the tries after which work that was reported as saved was not there or was
    another, ``wrong`` those in which gptcli broke down, or took damaged files for good ones, and
    ``hangs`` those that did not end in time. ``problems`` says what happened in these.
    """

    tries: int = 0
    lost: int = 0
    wrong: int = 0
    hangs: int = 0
    problems: list[str] = field(default_factory=list)

    def lose(self, problem: str) -> None:
        """Count a try that lost work."""
        self.lost += 1
        self.problems.append(problem)

    def fail(self, problem: str) -> None:
        """Count a try that broke down, or passed over damage in silence."""
        self.wrong += 1
        self.problems.append(problem)

    def hang(self, problem: str) -> None:
        """Count a try that did not end."""
        self.hangs += 1
        self.problems.append(problem)


@dataclass(frozen=True)
class Case:
    """A kind of fault: ``run(folder, tries)`` tries it in an empty folder.

    ``few`` tries are part of ``make test``, ``many`` of ``make test-faults``; with no ``few`` a
    test elsewhere tries it once.
    """

    name: str
    run: Callable[[Path, int], Tally]
    few: int
    many: int
