"""Draws the pictures of the READMEs: ``python examples/pictures.py RUN``.

Runs commands in colour and writes what they print as SVG beside this file, and the figures of
attention that ``--out`` writes; takes pictures of its page with a Chromium that is installed.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
WIDTH = 96
COLOURS = {"FORCE_COLOR": "1", "COLORTERM": "truecolor", "TERM": "xterm-256color"}


def draw(name: str, argv: list[str]) -> None:
    """Run ``gptcli ARGV`` and draw its stdout."""
    environment = {**os.environ, **COLOURS, "COLUMNS": str(WIDTH)}
    command = [sys.executable, "-m", "gptcli", *argv]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    # rich cuts the last line below its letters, so that line is empty.
    console.print(Text.from_ansi(printed.stdout.rstrip() + "\n"))
    said = " ".join(f'"{part}"' if " " in part else part for part in argv)
    svg = console.export_svg(title=f"gptcli {said}")
    # rich refers to a font on the network; the reader's own monospace will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")


def draw_attention(name: str, argv: list[str]) -> None:
    """Write a figure of ``gptcli inspect-attention ARGV``."""
    command = [sys.executable, "-m", "gptcli", "inspect-attention", *argv]
    subprocess.run([*command, "--out", f"{HERE / name}.svg", "--overwrite"], check=True)


def photograph(name: str, argv: list[str], fragment: str) -> None:
    """Take pictures of the page that ``gptcli ARGV`` writes, as its address restores it."""
    page = Path(tempfile.mkdtemp()) / "page.html"
    command = [sys.executable, "-m", "gptcli", *argv, "--out", str(page)]
    subprocess.run(command, check=True, capture_output=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for scheme in ("light", "dark"):
            tab = browser.new_page(viewport={"width": 1280, "height": 1040}, color_scheme=scheme)
            tab.goto(page.as_uri() + fragment)
            tab.wait_for_timeout(500)  # until all heads are drawn
            picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB").quantize(256)
            picture.save(HERE / f"{name}_{scheme}.png", optimize=True)


def main() -> None:
    """Draw all pictures from the run that is given."""
    run = sys.argv[1]
    draw("sample", ["sample", run, "--prompt", "ROMEO:", "-n", "450", "--temperature", "0.8"])
    draw("attention", ["inspect-attention", run, "--text", "ROMEO: O, she doth teach"])
    photograph(
        "attention_page",
        ["inspect-attention", run, "--text", "ROMEO: O, she doth teach"],
        "#head=L1.H4&query=17&key=16&lock=headpair",
    )
    draw("tokens", ["tokenize", "hii there, world", "--tokenizer", run])
    chapter = [run, "--text", "he doth teach", "--heads", "L2.H5", "--keys", "down"]
    draw_attention("attention_masked", [*chapter, "--stage", "masked"])
    draw_attention("attention_dots", [*chapter, "--dots"])
    draw("parameters", ["count-params", "--preset", "gpt3", "--accounting", "3b1b"])


if __name__ == "__main__":
    main()
