"""What commands that are not rebuilt yet still use; it goes with the last of them."""

import sys
from pathlib import Path

from rich.console import Console

from gptcli.commands.view.terminal import note
from gptcli.errors import UsageError
from gptcli.runtime.outputs import output_path


def results() -> "Console":
    """A rich console on stdout that prints text as it is: no markup, no highlighting."""
    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())
    if not console.width:  # COLUMNS=0 would hide everything
        console.width = 80
    return console


def check_out(out: Path | None, overwrite: bool) -> None:
    """Refuse an ``--out`` that is taken before any work is done for it."""
    if out is None:
        return
    if str(out) == "-":
        raise UsageError("--out - is no file: without --out the result goes to stdout")
    if out.name in ("", "..") or out.is_dir() or (out.exists() and not out.is_file()):
        raise UsageError(f"--out {out} is no regular file: name a new file")
    output_path(out, out.parent, out.name, overwrite)


def deliver(text: str, out: Path | None, overwrite: bool = False) -> None:
    """Write a result to stdout, or to ``--out`` atomically, ending in a newline."""
    text = text if text.endswith("\n") else text + "\n"
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    from gptcli.runtime.files import reported, write_text

    check_out(out, overwrite)
    with reported(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, text)
    note(f"wrote {out}")
