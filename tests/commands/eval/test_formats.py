"""``eval --format``: Markdown and CSV of every table, with the exact figures of the document."""

import csv
import io
import json
from pathlib import Path

import pytest

from gptcli.commands.eval.command import EvalRequest
from gptcli.errors import UsageError


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_holds_the_exact_figures_of_the_document(cli, trained: Path) -> None:
    document = json.loads(cli("eval", "--json").stdout)
    found = {row["name"]: row["value"] for row in rows(cli("eval", "--format", "csv").stdout)}
    for name in ("loss", "perplexity", "tokens", "context", "stride"):
        assert found[name] == str(document[name])
    assert found["top-1 accuracy"] == str(document["accuracy"])
    assert found["bits per byte"] == str(document["bits_per_byte"])
    assert found["data"] == "data/input, val split"


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (("--by", "position"), "positions"),
        (("--compare", "runs/input"), "models"),
        (("--quantize", "int8"), "models"),
    ],
)
def test_csv_is_the_list_of_the_document(cli, trained: Path, flags, name: str) -> None:
    listed = json.loads(cli("eval", *flags, "--json").stdout)[name]
    as_words = [{k: "" if v is None else str(v) for k, v in one.items()} for one in listed]
    assert rows(cli("eval", *flags, "--format", "csv").stdout) == as_words


@pytest.mark.parametrize(
    ("flags", "titles"),
    [
        ((), ("| loss |", "nats per token |")),
        (("--by", "position"), ("**Loss by position**", "| 9 to 16 |", "| stride |")),
        (("--compare", "runs/input"), ("**Models on the same tokens**", "\n\nA difference is")),
        (("--verify",), ("**runs/input**", "| ok | files |")),
    ],
)
def test_markdown_has_the_tables_and_nothing_else(cli, trained: Path, flags, titles) -> None:
    done = cli("eval", "runs/input", *flags, "--format", "md")
    assert done.code == 0, done.stderr
    assert all(title in done.stdout for title in titles)
    assert "█" not in done.stdout


def test_checks_are_given_before_one_of_them_fails_the_command(cli, trained: Path) -> None:
    (trained / "runs/input/generation_config.json").unlink()
    done = cli("eval", "--verify", "--format", "csv", "--out", "checks.csv")
    assert done.code == 4
    found = {row["check"]: row["result"] for row in rows((trained / "checks.csv").read_text())}
    assert (found["files"], found["weights"]) == ("FAILED", "ok")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"split": "test"}, "--split test is unknown: choose one of train, val"),
        ({"stride": 0}, "--stride must be at least 1, not 0"),
        ({"limit": 0, "tasks": "x"}, "--limit must be at least 1, not 0"),
        ({"limit": 3}, "--limit works only with --tasks"),
        ({"tasks": " , "}, "--tasks is empty"),
        (
            {"verify": True, "form": "html"},
            "--format html is not for --verify: choose",
        ),
        ({"by": "position", "form": "npz"}, "--format npz is not for --by"),
        ({"form": "html"}, "--format html works only with --per-token"),
        ({"quantize": "int4"}, "--quantize int4 is unknown"),
        ({"verify": True, "text": Path("a.txt")}, "--text has no effect with --verify"),
        ({"data": Path("a"), "text": Path("b")}, "--data and --text cannot be combined"),
    ],
)
def test_a_wrong_flag_fails_before_anything_is_opened(given, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EvalRequest(**given)
