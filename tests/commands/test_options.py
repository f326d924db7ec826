"""A request checks its flags when it is made, by the rules that its class declares."""

import os
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
import typer
from typer.testing import CliRunner

from gptcli.commands.command_line import as_command
from gptcli.commands.options import FormatRequest, OutputRequest, option, own_names
from gptcli.commands.sample.command import SampleRequest
from gptcli.errors import UsageError


@dataclass(frozen=True)
class Asked(OutputRequest):
    exclusive = (("verify", "by"), ("explain", "json_output"), ("explain", "tied"))
    formats_with = MappingProxyType({"tasks": ("jsonl", "html")})
    makes_no_use_of = MappingProxyType({"by": ("limit",)})
    alone = MappingProxyType({"verify": ("device",)})
    needs = MappingProxyType({"limit": ("tasks", "tied")})
    only_in = MappingProxyType({"device": ("table", "csv")})

    verify: bool = option("Check.", default=False)
    by: str | None = option("Position.", choices=("position",))
    limit: int | None = option("How many.")
    tasks: str | None = option("Which.")
    tied: bool | None = option("Or not.", "--tied/--untied")
    explain: bool = option("Why.", default=False)
    device: str = option("Where.", default="auto", panel="Where")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"verify": True, "by": "position"}, "--verify and --by cannot be combined"),
        ({"by": "position", "limit": 1, "tasks": "x"}, "--limit has no effect with --by"),
        ({"verify": True, "tied": False}, "--untied has no effect with --verify"),
        ({"explain": True, "form": "json"}, "--explain and --json cannot be combined"),
        ({"explain": True, "tied": False}, "--explain and --untied cannot be combined"),
        ({"limit": 0}, "--limit works only with --tasks or --tied: give"),
        ({"by": "word"}, "--by word is unknown: choose one of position"),
        ({"form": "svg"}, "--format svg is unknown: choose one of table, json, md, csv"),
        ({"form": "html"}, "--format html works only with --tasks: give both, or leave it out"),
        ({"tasks": "x", "form": "md"}, "--format md is not for --tasks: choose one of jsonl, html"),
        ({"tasks": "x", "json_output": True}, "--json is not for --tasks: choose one of jsonl"),
        ({"form": "csv", "json_output": True}, "--json and --format csv cannot be combined"),
        ({"out": Path("-")}, "--out - is not a file"),
        ({"device": "cpu", "form": "md"}, "--device works only with --format table or csv: give"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Asked(**given)


def test_what_stands_together_is_taken() -> None:
    assert Asked(tasks="x").chosen_form == "jsonl"
    request = Asked(limit=3, tied=False, form="csv")
    assert request.given() == {"limit": 3, "tied": False, "form": "csv"}
    assert Asked(verify=True, device="cpu").output.form == "table"
    assert own_names(Asked) == ["verify", "by", "limit", "tasks", "tied", "explain", "device"]
    assert own_names(Asked, "Where") == ["device"]


def test_every_field_is_a_flag_with_its_help_and_default() -> None:
    seen = []

    def door(request: Asked) -> None:
        """Ask something."""
        seen.append(request)

    app = typer.Typer()
    app.command()(as_command(door))
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"}).output
    for words in (
        "Ask something.",
        "--untied",
        "[default: auto]",
        "table (default), json, md or csv; with --tasks",
    ):
        assert words in shown
    done = CliRunner().invoke(app, ["--limit", "3", "--untied", "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    assert seen == [Asked(limit=3, tied=False, json_output=True)]


def test_a_command_that_has_no_file_has_formats_still() -> None:
    assert FormatRequest(json_output=True).output.form == "json"


@dataclass(frozen=True)
class Tokens(FormatRequest):
    formats = ("table", "json", "ids")
    formats_with = MappingProxyType({"vocab": ("table", "json", "csv")})
    short_forms = MappingProxyType({"ids": "ids", "json_output": "json"})

    ids: bool = option("The ids alone.", default=False)
    vocab: bool = option("The vocabulary.", default=False)


def test_short_flags_are_formats() -> None:
    forms = [Tokens(**given).chosen_form for given in ({}, {"ids": True}, {"form": "ids"})]
    assert forms == ["table", "ids", "ids"]
    for given, message in (
        ({"ids": True, "json_output": True}, "--ids and --json cannot be combined"),
        ({"ids": True, "form": "table"}, "--ids and --format table cannot be combined"),
        ({"vocab": True, "ids": True}, "--ids is not for --vocab: choose one of table, json, csv"),
        ({"form": "csv"}, "--format csv works only with --vocab"),
    ):
        with pytest.raises(UsageError, match=message):
            Tokens(**given)


def test_links_pipes_and_devices_are_never_replaced(tmp_path: Path) -> None:
    taken = tmp_path / "file.json"
    taken.touch()
    link, lost, pipe = tmp_path / "link", tmp_path / "lost", tmp_path / "pipe"
    link.symlink_to(taken)
    lost.symlink_to(tmp_path / "nowhere")
    os.mkfifo(pipe)
    for out in (link, lost, pipe, Path("/dev/stdout"), Path("/dev/null"), tmp_path):
        for overwrite in (False, True):
            with pytest.raises(UsageError, match=r"never replaced: name .* leave --out out"):
                Asked(out=out, overwrite=overwrite)
    assert Asked(out=taken, overwrite=True).output.out == taken


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ({"out": Path("a.json")}, "json"),
        ({"out": Path("a.CSV")}, "csv"),
        ({"out": Path("a.txt")}, "table"),
        ({"out": Path("a")}, "table"),
        ({"out": Path("a.html"), "tasks": "x"}, "html"),
        ({"out": Path("a.xyz"), "form": "csv"}, "csv"),
        ({"out": Path("a.json"), "json_output": True}, "json"),
    ],
)
def test_the_suffix_of_a_file_names_its_format(given, form: str) -> None:
    assert Asked(**given).output.form == form


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"out": Path("a.svg")}, "--out a.svg names a format, svg, that is not written here"),
        ({"out": Path("a.png")}, "choose one of table, json, md, csv, or give --format"),
        ({"out": Path("a.html")}, "--out a.html works only with --tasks"),
        ({"out": Path("a.csv"), "form": "json"}, "--format json and --out a.csv cannot be"),
        ({"out": Path("a.csv"), "json_output": True}, "--json and --out a.csv cannot be"),
        ({"out": Path("a.json"), "explain": True}, "--explain and --json cannot be"),
    ],
)
def test_a_suffix_that_is_not_written_is_refused(given, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Asked(**given)


def test_a_model_writes_text_under_any_name() -> None:
    names = {"story.md": "text", "page.html": "text", "s": "text", "samples.json": "json"}
    assert {name: SampleRequest(out=Path(name)).output.form for name in names} == names
