"""``make test-faults``: tries every fault many times and prints what that cost.

    python -m tests.faults [CASE ...]

The exit code is 1 where work was lost, gptcli broke down, or something hung.
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.faults.cases import CASES
from tests.faults.tally import Case, NotPossibleHere, Tally

_ROW = "{:<44}{:>8}{:>11}{:>8}{:>8}{:>10}"


def main() -> None:
    """Try the named cases, or all."""
    asked = sys.argv[1:] or [*CASES]
    if unknown := [name for name in asked if name not in CASES]:
        raise SystemExit(f"{unknown[0]} is no case: {', '.join(CASES)}")
    print(_ROW.format("case", "tries", "lost work", "wrong", "hangs", "seconds"), flush=True)
    tallies = [_try(CASES[name]) for name in asked]
    for problem in (problem for tally in tallies for problem in tally.problems):
        print(f"- {problem}")
    sys.exit(any(tally.problems for tally in tallies))


def _try(case: Case) -> Tally:
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(
            prefix="gptcli-faults-", ignore_cleanup_errors=True
        ) as folder:
            tally = case.run(Path(folder), case.many)
    except NotPossibleHere as error:
        print(f"{case.name:<44}skipped: {error}", flush=True)
        return Tally()
    except Exception as error:
        tally = Tally()
        tally.fail(f"{case.name} could not be tried: {type(error).__name__}: {error}")
    seconds = f"{time.monotonic() - started:.0f}"
    row = (case.name, tally.tries, tally.lost, tally.wrong, tally.hangs, seconds)
    print(_ROW.format(*row), flush=True)
    return tally


if __name__ == "__main__":
    main()
