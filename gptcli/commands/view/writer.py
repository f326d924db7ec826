"""Writes an answer: the one place from which results reach stdout or a file."""

import sys
from collections.abc import Iterable
from pathlib import Path

from gptcli.commands.view.answer import Answer
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.formats import FORMATS, Chunks
from gptcli.commands.view.output import Output
from gptcli.commands.view.terminal import note


def give(answer: Answer | None, output: Output) -> None:
    """Write an answer in the format and to the place that were asked for.

    None writes nothing: in all processes of torchrun but one, and after a conversation.
    """
    if answer is None:
        return
    with answer.resources:
        chunks = FORMATS[output.form](answer, Canvas.of(output.out))
        if output.out is None:
            grows = answer.pieces is not None or answer.drawing is not None
            _to_stdout(chunks, is_live=grows and output.form in ("table", "text"))
        else:
            _to_file(chunks, output, output.out)
        if answer.after is not None:
            answer.after()


def _to_stdout(chunks: Chunks, is_live: bool) -> None:
    """Write to stdout, if ``is_live`` each chunk at once; Ctrl-C and errors end the line."""
    last = ""
    try:
        for chunk in chunks:
            assert isinstance(chunk, str), "bytes go to a file"
            last = chunk or last
            sys.stdout.write(chunk)
            if is_live:
                sys.stdout.flush()
    except BaseException as error:
        is_open = last and not last.endswith("\n") and not isinstance(error, OSError)
        if is_open or isinstance(error, KeyboardInterrupt):
            sys.stdout.write("\n")
        raise
    finally:
        sys.stdout.flush()


def _to_file(chunks: Chunks, output: Output, out: Path) -> None:
    from gptcli.runtime.files import replace_file, reported  # noqa: PLC0415  for files alone

    output.check()
    with reported(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    replace_file(out, lambda temporary: _write(temporary, chunks))
    note(f"wrote {out}")


def _write(path: Path, chunks: Iterable[str | bytes]) -> None:
    with path.open("xb") as file:
        for chunk in chunks:
            # A name may hold bytes that UTF-8 has no characters for.
            file.write(
                chunk.encode("utf-8", "backslashreplace") if isinstance(chunk, str) else chunk
            )
