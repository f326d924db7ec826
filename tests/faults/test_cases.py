"""The faults of ``make test-faults``, each tried a few times."""

from pathlib import Path

import pytest

from tests.faults.cases import CASES
from tests.faults.tally import NotPossibleHere


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.few])
def test_nothing_is_lost_and_nothing_hangs(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    try:
        tally = case.run(tmp_path, case.few)
    except NotPossibleHere as error:
        pytest.skip(str(error))
    assert tally.tries, "nothing was tried"
    assert tally.problems == []
