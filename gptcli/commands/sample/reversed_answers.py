"""A model of arithmetic that writes answers reversed: the user is told, and shown the number."""

import re
from collections.abc import Sequence
from pathlib import Path

from gptcli.checkpoint.find import run_of
from gptcli.checkpoint.run import read_record
from gptcli.config.data import REVERSED
from gptcli.errors import CheckpointError

_ANSWER = re.compile(r"[=:](-?)(\d\d+)$")


def writes_reversed(model: Path) -> bool:
    """Whether a run was trained on answers whose digits are reversed, as far as it says."""
    run = run_of(model)
    try:
        return run is not None and REVERSED in str(read_record(run).data.source.get("name", ""))
    except CheckpointError:  # it is told where the step of the weights is looked up
        return False


def reading_note(texts: Sequence[str]) -> str:
    """How to read answers, with those at the ends of ``texts`` as examples."""
    found = (_ANSWER.search(text.strip()) for text in texts)
    shown = ", ".join(f"{one[1]}{one[2]} means {one[1]}{one[2][::-1]}" for one in found if one)
    how = "this model writes the digits of an answer from the last to the first"
    return f"{how}: {shown}" if shown else how
