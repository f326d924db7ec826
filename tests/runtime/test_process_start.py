"""The start of the process is known, though nothing measured it."""

import subprocess
import sys
import time

SCRIPT = """
import time
time.sleep(0.3)
from gptcli.runtime.process_start import process_began
print(time.monotonic() - process_began())
"""


def test_it_counts_from_before_the_first_import() -> None:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    took = time.monotonic() - started
    assert (0.3 if sys.platform == "linux" else 0) <= float(done.stdout) <= took + 0.02
