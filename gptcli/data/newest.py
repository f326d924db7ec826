"""Where datasets live, and which one is meant when none is named."""

from pathlib import Path

from gptcli.data.dataset_record import RECORD_FILE
from gptcli.errors import UsageError
from gptcli.runtime.names import newest

DATASETS = Path("data")


def newest_dataset(root: Path = DATASETS) -> Path:
    """The dataset below ``root`` that was made last; UsageError if there is none."""
    found = newest(root, RECORD_FILE)
    if found is None:
        raise UsageError(f"no dataset in {root}/: make one with `gptcli prepare input.txt`")
    return found
