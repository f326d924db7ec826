"""``sample --interactive``: in a real terminal, and with lines that are piped in."""

import contextlib
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
fcntl = pytest.importorskip("fcntl")
termios = pytest.importorskip("termios")

_PATIENCE = 90.0
_SILENCE = 5.0


class Terminal:
    """gptcli in a pseudo-terminal: what it shows, and keys for it."""

    def __init__(self, cwd: Path, *flags: object) -> None:
        self.master, slave = pty.openpty()
        argv = [sys.executable, "-m", "gptcli", "sample", "--interactive", *map(str, flags)]
        environment = {**os.environ, "TERM": "dumb", "PYTHONUTF8": "1"}
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        self.process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # else Ctrl-C is no signal
            **streams,
        )
        os.close(slave)
        self.shown = ""

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def wait_for(self, words: str, again: str = "") -> str:
        """What was shown until ``words``, which count once; keys to press ``again`` in silence.

        A signal between the prompt and Python's select() wakes nobody, so Ctrl-C may need that.
        """
        deadline = time.monotonic() + _PATIENCE
        while words not in self.shown:
            assert time.monotonic() < deadline, f"{words!r} did not come after {self.shown!r}"
            if not select.select([self.master], [], [], _SILENCE)[0]:
                self.press(again)
                continue
            self.shown += os.read(self.master, 4096).decode().replace("\r\n", "\n")
        before, _, self.shown = self.shown.partition(words)
        return before

    def leave(self) -> int:
        self.press("\x04")
        return self.process.wait(_PATIENCE)


@pytest.fixture
def terminal(trained: Path):
    with contextlib.ExitStack() as stack:

        def begin(*flags: object) -> Terminal:
            one = Terminal(trained, *flags)
            stack.callback(os.close, one.master)
            stack.callback(one.process.wait)
            stack.callback(one.process.kill)
            return one

        yield begin


def test_each_turn_goes_on_from_the_text_so_far(cli, trained: Path) -> None:
    flags = ("sample", "-q", "-n", 8, "--temperature", 0)
    turns = cli(*flags, "--interactive", stdin="the\n\nLINE\\n\n").stdout
    first = cli(*flags, "--prompt", "the").stdout.removeprefix("the").removesuffix("\n")
    second = cli(*flags, "--prompt", f"the{first}").stdout.removesuffix("\n")
    second = second.removeprefix(f"the{first}")
    third = cli(*flags, "--prompt", f"the{first}{second}LINE\n").stdout.removesuffix("\n")
    third = third.removeprefix(f"the{first}{second}LINE\n")
    assert turns == f"{first}\n{second}\n{third}\n"


def test_the_first_turn_is_what_a_single_sample_writes_and_later_ones_draw_anew(cli, trained):
    flags = ("sample", "-q", "-n", 30, "--prompt", "the")
    turns = cli(*flags, "--interactive", "--top-k", 5, stdin="").stdout
    assert "the" + turns == cli(*flags, "--top-k", 5).stdout


def test_a_stop_string_is_not_part_of_the_text_so_far(cli, trained: Path) -> None:
    flags = ("sample", "-q", "-n", 40, "--temperature", 0, "--prompt", "the")
    turns = cli(*flags, "--interactive", "--stop", " ", stdin=" \n").stdout.split("\n")
    assert " " not in turns[0]
    whole = cli(*flags).stdout.removeprefix("the")
    assert whole.startswith(f"{turns[0]} {turns[1]}")


@pytest.mark.parametrize(
    ("typed", "named"), [("ö".encode(), "character 'ö'"), (b"\xff", "character '\\udcff'")]
)
def test_a_wrong_character_is_named_and_the_talk_goes_on(cli, trained, typed, named) -> None:
    done = cli("sample", "-n", 5, "--interactive", stdin=typed + b"\nthe\n")
    assert done.code == 0
    assert done.stderr.count(f"error: this line: {named}") == 1
    assert len(done.stdout) == 5 + 1


def test_the_window_is_said_once(cli, trained: Path) -> None:
    done = cli("sample", "-n", 12, "--interactive", stdin="the\n\n\n\n")
    assert done.stderr.count("moving window") == 1


def test_in_a_terminal_lines_are_edited_and_remembered(terminal) -> None:
    talk = terminal("-n", 10, "--temperature", 0)
    talk.wait_for("> ")
    talk.press("thX\x7fe\n")  # backspace
    first = talk.wait_for("> ").partition("\n")[2]
    talk.press("\x10\n")  # the line before, as arrow up
    assert talk.wait_for("\n").endswith("the")
    talk.wait_for("> ")
    assert len(first) == 11
    assert talk.leave() == 0


def test_ctrl_c_stops_a_text_and_ctrl_d_leaves(terminal) -> None:
    talk, ctrl_c = terminal("-n", 1_000_000), "\x03"
    talk.wait_for("> ")
    talk.press("half a line")
    talk.wait_for("half a line")
    talk.press(ctrl_c)
    talk.wait_for("> ", again=ctrl_c)
    talk.press("the\n")
    talk.wait_for("window\n")
    talk.wait_for("e")
    talk.press(ctrl_c)
    talk.wait_for("stopped\n> ", again=ctrl_c)
    talk.press("the\n")
    talk.wait_for("the\n")  # the echo
    talk.wait_for("e")
    talk.press(ctrl_c)
    talk.wait_for("stopped\n> ", again=ctrl_c)
    assert talk.leave() == 0
    assert "Traceback" not in talk.shown
