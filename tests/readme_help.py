"""Writes every command's help into README.md: ``make readme``. A test fails where it is stale."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
_BLOCK = re.compile(r"<!-- help: (?P<command>[a-z-]*) -->\n.*?<!-- end -->", re.DOTALL)


def command_help(command: str) -> str:
    """What ``gptcli COMMAND --help`` prints on a plain page of 96 columns."""
    environment = {
        **os.environ, "COLUMNS": "96", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1",
    }  # fmt: skip
    environment.pop("FORCE_COLOR", None)
    argv = [sys.executable, "-m", "gptcli", *command.split(), "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment)
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def with_fresh_help(text: str) -> str:
    """The README with every help block as the commands print it now."""
    return _BLOCK.sub(
        lambda match: (
            f"<!-- help: {match['command']} -->\n```text\n"
            f"{command_help(match['command'])}\n```\n<!-- end -->"
        ),
        text,
    )


if __name__ == "__main__":
    README.write_text(with_fresh_help(README.read_text(encoding="utf-8")), encoding="utf-8")
