"""Writes every command's help into its guide: ``make readme``. A test fails where one is stale."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUIDES = sorted((ROOT / "gptcli" / "commands").glob("*/README.md"))
_BLOCK = re.compile(r"<!-- help: (?P<command>[a-z-]*) -->\n.*?<!-- end -->", re.DOTALL)
_TITLE = re.compile(r"╭─ (?P<title>.*?) ─*╮")


def command_help(command: str) -> str:
    """What ``gptcli COMMAND --help`` prints on a plain page, without the frames around it."""
    environment = {
        **os.environ, "COLUMNS": "104", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1",
    }  # fmt: skip
    environment.pop("FORCE_COLOR", None)
    argv = [sys.executable, "-m", "gptcli", *command.split(), "--help"]
    done = subprocess.run(
        argv, capture_output=True, text=True, encoding="utf-8", check=True, env=environment
    )
    return "\n".join(map(unframed, done.stdout.strip().splitlines()))


def unframed(line: str) -> str:
    """A line of the help without its part of a frame: a title, a flag, or nothing."""
    if title := _TITLE.match(line):
        return title["title"]
    if line.startswith("╰"):
        return ""
    return f" {line.strip('│')}".rstrip() if line.startswith("│") else line.strip()


def with_fresh_help(text: str) -> str:
    """A guide with every help block as the commands print it now."""
    return _BLOCK.sub(
        lambda match: (
            f"<!-- help: {match['command']} -->\n```text\n"
            f"{command_help(match['command']).strip()}\n```\n<!-- end -->"
        ),
        text,
    )


if __name__ == "__main__":
    for guide in GUIDES:
        fresh = with_fresh_help(guide.read_text(encoding="utf-8"))
        guide.write_text(fresh, encoding="utf-8", newline="\n")
