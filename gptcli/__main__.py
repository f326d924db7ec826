"""Where ``gptcli`` and ``python -m gptcli`` begin: nothing is imported before signals are heard."""

import signal
import sys

from gptcli.runtime.signals import guard_start


def main() -> None:
    """Run the command line; whenever Ctrl-C comes, the process ends with its code."""
    guard_start(is_training=sys.argv[1:2] == ["train"])
    try:
        from gptcli.cli import main as run  # noqa: PLC0415  after the signals

        run()
    except KeyboardInterrupt:  # another one, while the first was reported
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the interpreter only clears up


if __name__ == "__main__":
    main()
