"""The frame of the command line."""

import errno
import subprocess
import sys

import pytest

COMMANDS = (
    "tokenize", "prepare", "train", "eval", "sample", "inspect-attention", "count-params",
)  # fmt: skip


def test_all_seven_commands_are_listed(cli) -> None:
    done = cli("--help")
    assert done.code == 0
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_the_common_flags(cli, command: str) -> None:
    done = cli(command, "--help")
    assert done.code == 0
    assert all(flag in done.stdout for flag in ("--quiet", "--verbose", "--debug"))


def test_version(cli) -> None:
    from gptcli import __version__

    assert cli("--version").stdout == f"gptcli {__version__}\n"


def test_a_near_miss_gets_a_suggestion(cli) -> None:
    done = cli("prepar")
    assert done.code == 2
    assert "prepare" in done.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["count-params", "--preset", "gpt3"],
        ["--version"],
        ["sample", "--top-p", "0"],
        ["sample", "--precision", "float8"],
        ["sample", "--explain", "--format", "json"],
        ["inspect-attention", "--metric", "x"],
        ["inspect-attention", "--patterns"],
    ],
)
def test_light_commands_do_not_import_torch(argv: list[str]) -> None:
    code = (
        "import sys\nfrom gptcli.cli import main\n"
        f"sys.argv = ['gptcli', *{argv!r}]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'tokenizers', 'matplotlib', 'safetensors'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_debug_shows_a_traceback_and_nothing_else_does(cli) -> None:
    assert "Traceback" not in cli("train").stderr
    assert "Traceback" in cli("train", "--debug").stderr
    assert "Traceback" not in cli("train").stderr


def test_quiet_leaves_only_the_error(cli) -> None:
    done = cli("count-params", "--preset", "gtp2", "--quiet")
    assert done.code == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 5, "the output: No space left"),
        (FileNotFoundError(errno.ENOENT, "No usable directory"), 5, "this machine: No usable"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.txt"), 2, "a.txt: No such file"),
        (ImportError("libx.so: failed to map segment from shared object"), 7, "out of memory: a"),
        (ImportError("cannot import name 'x'"), 1, "a bug in gptcli: ImportError"),
    ],
)
def test_errors_of_the_system_name_what_they_are_about(cli, monkeypatch, error, code, line) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr("gptcli.cli.build_app", lambda *_: fail)
    outcome = cli("tokenize", "hello")
    assert outcome.code == code
    assert outcome.stderr.startswith(f"error: {line}")
