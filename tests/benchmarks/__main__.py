"""``make bench``: prints figures; nothing here passes or fails.

    python -m tests.benchmarks [NANOGPT] [startup] [data] [training] [evaluation] [sampling]

With a checkout of nanoGPT, its scripts run in turn with ours. Subjects that are named run
alone. The corpus is that of ../shared if it is there, else Python's own standard library.
Close everything else first.
"""

import platform
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import data, evaluation, sampling, startup, training

SUBJECTS = ("startup", "data", "training", "evaluation", "sampling")


def main() -> None:
    named = [word for word in sys.argv[1:] if word in SUBJECTS] or SUBJECTS
    places = [word for word in sys.argv[1:] if word not in SUBJECTS]
    peer = Path(places[0]).resolve() if places else None
    print(f"{platform.platform()}, Python {platform.python_version()}")
    if "startup" in named:
        startup.run()
    with tempfile.TemporaryDirectory() as folder:
        if "data" in named:
            data.run(Path(folder), peer)
        if "training" in named:
            training.run(Path(folder), peer)
        if "evaluation" in named:
            evaluation.run(Path(folder))
        if "sampling" in named:
            sampling.run(Path(folder), peer)


if __name__ == "__main__":
    main()
