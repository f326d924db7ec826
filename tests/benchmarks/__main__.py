"""``make bench``: prints figures; nothing here passes or fails.

    python -m tests.benchmarks [NANOGPT]

With a checkout of nanoGPT, its train.py runs in turn with ours. The corpus is that of
../shared if it is there, else Python's own standard library. Close everything else first.
"""

import platform
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import startup, training


def main() -> None:
    peer = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
    print(f"{platform.platform()}, Python {platform.python_version()}")
    startup.run()
    with tempfile.TemporaryDirectory() as folder:
        training.run(Path(folder), peer)


if __name__ == "__main__":
    main()
