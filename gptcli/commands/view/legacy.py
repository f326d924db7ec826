"""What commands that are not rebuilt yet still use; it goes with the last of them."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len, chop_cells
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from gptcli.commands.view.palette import ink_on, sequential
from gptcli.commands.view.terminal import note
from gptcli.errors import UsageError
from gptcli.runtime.outputs import output_path

_INDENT = "  "


def results() -> "Console":
    """A rich console on stdout that prints text as it is: no markup, no highlighting."""
    from rich.console import Console

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


@dataclass(frozen=True)
class Page:
    """How wide lines may be, and whether there are colours; without them digits speak."""

    width: int
    in_colour: bool

    @classmethod
    def of(cls, console: Console) -> "Page":
        """What a console can show; sixteen colours are too few for a scale."""
        in_colour = not console.no_color and console.color_system in ("256", "truecolor")
        return cls(console.width, in_colour)

    def ink(self, share: float) -> Style:
        """The style of a cell that holds a share from 0 to 1 of the largest value."""
        if not self.in_colour:
            return Style.null()
        background = sequential(share)
        return Style(color=Color.from_rgb(*ink_on(background)), bgcolor=Color.from_rgb(*background))

    def style(self, definition: str) -> Style:
        """A rich style, or none on a page without colours."""
        return Style.parse(definition) if self.in_colour else Style.null()

    def heading(self, text: str) -> Iterator[Text]:
        """An empty line and a title."""
        yield Text()
        yield from self.words(text, "bold")

    def words(self, sentence: str, style: str = "none") -> Iterator[Text]:
        """A sentence in lines that fit, the second and later ones indented."""
        for line in _fold(sentence.split(" "), self.width):
            yield Text(line, self.style(style))


def _fold(words: Iterable[str], width: int) -> Iterator[str]:
    line = ""
    for part in (part for word in words for part in _parts(word, width)):
        longer = f"{line} {part}" if line else part
        if line.strip() and cell_len(longer) > width:
            yield line
            longer = _INDENT + part
        line = longer
    yield line


def _parts(word: str, width: int) -> list[str]:
    """A word that no line holds (a long path) is broken anywhere."""
    room = max(width - len(_INDENT), 2)
    return [word] if cell_len(word) <= room else chop_cells(word, room)
