"""A wrong value is refused before torch is imported, and Tab offers the right ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from gptcli.cli import build_app

_REFUSED = (
    ("train", "--lr", "-1"),
    ("train", "--min-lr", "3"),
    ("train", "--max-iters", "-1"),
    ("train", "--n-head", "5", "--n-embd", "32"),
    ("train", "--family", "foo"),
    ("train", "--family", "gpt2", "--activation", "tanh"),
    ("train", "--preset", "gtp2"),
    ("train", "--preset", "gpt2", "--n-kv-head", "5"),
    ("train", "--init-from", "x/y", "--beta1", "2"),
    ("train", "--resume", "x", "--max-iters", "-1"),
    ("train", "--device", "tpu"),
    ("train", "--device", "cuda:x"),
    ("train", "--precision", "half"),
    ("train", "--order", "x"),
    ("train", "--data", "nope"),
    ("train", "nope"),
    ("sample", "runs/nope"),
    ("sample", "--device", "tpu"),
    ("sample", "--top-k", "0"),
    ("sample", "--prompt-file", "nope.txt"),
    ("sample", "ROMEO:"),
    ("eval", "--split", "test"),
    ("eval", "--data", "nope"),
    ("eval", "--file", "nope.txt"),
    ("eval", "--device", "tpu"),
    ("inspect-attention", "--metric", "x"),
    ("inspect-attention", "--file", "nope.txt"),
    ("inspect-attention", "--device", "tpu"),
    ("count-params", "--dtype", "int3"),
    ("prepare", "--errors", "x", "a"),
    ("tokenize", "--errors", "x", "a"),
)


def test_a_wrong_value_is_refused_before_torch_is_imported(tmp_path: Path) -> None:
    code = (
        "import json, sys\n"
        "from gptcli.cli import main\n"
        "for argv in json.loads(sys.argv[1]):\n"
        "    sys.argv = ['gptcli', *argv]\n"
        "    try: main()\n"
        "    except SystemExit as stopped: assert stopped.code == 2, (argv, stopped.code)\n"
        "    assert 'torch' not in sys.modules, argv\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(_REFUSED)],
        capture_output=True, check=False, cwd=tmp_path, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("error: ") == len(_REFUSED)


@pytest.fixture
def offered(cli, tmp_path: Path):
    """``offered("train", "--preset", "gp")``: what Tab offers for the beginning of a value."""
    for record in ("runs/a/config.json", "data/b/dataset.json"):
        (tmp_path / record).parent.mkdir(parents=True)
        (tmp_path / record).touch()
    (tmp_path / "model").mkdir()

    def offer(command: str, name: str, incomplete: str) -> list[str]:
        found = get_command(build_app([command, "prepare"])).commands[command]
        parameter = next(one for one in found.params if name in (*one.opts, one.metavar))
        context = found.make_context(command, [], resilient_parsing=True)
        return [item.value for item in parameter.shell_complete(context, incomplete)]

    return offer


def test_tab_offers_what_is_here_and_what_is_known(offered) -> None:
    assert offered("eval", "--split", "") == ["train", "val"]
    assert offered("sample", "--device", "c") == ["cuda", "cpu"]
    assert offered("train", "--family", "q") == ["qwen3"]
    assert offered("train", "--preset", "lecture-b") == ["lecture-bigram"]
    assert offered("inspect-attention", "--metric", "prev") == ["previous_token"]
    assert offered("sample", "CHECKPOINT", "r") == ["runs/a", "runs/"]
    assert offered("sample", "CHECKPOINT", "m") == ["model/"]
    assert offered("train", "DATASET", "data/") == ["data/b"]
    assert offered("prepare", "--tokenizer", "b") == ["byte", "bpe"]
    assert offered("prepare", "--tokenizer", "d") == ["data/b", "data/"]
    assert offered("count-params", "--diff", "lecture-b") == ["lecture-bigram"]
    assert offered("count-params", "--diff", "runs/") == ["runs/a"]
    assert offered("sample", "--format", "") == ["text", "json"]
    assert offered("eval", "--format", "j") == ["json", "jsonl"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("eval", ("train|val", "auto|cuda|mps|cpu")),
        ("train", ("gpt2|llama|qwen3|nanochat", "shuffled|random", "[DATASET]")),
        ("sample", ("auto|float32|bfloat16", "window|error", "[CHECKPOINT]")),
        ("count-params", ("exact|3b1b", "[CHECKPOINT]")),
        ("tokenize", ("strict|replace|ignore", "[TEXT]")),
        ("prepare", ("text|document", "[SOURCE]")),
    ],
)
def test_help_shows_the_choices_and_the_usage(cli, command: str, words) -> None:
    shown = cli(command, "--help").stdout
    assert f"gptcli {command} [OPTIONS]" in shown
    assert [word for word in words if word not in shown] == []


@pytest.mark.parametrize("columns", ["40", "60"])
@pytest.mark.parametrize("command", ["sample", "train", "count-params"])
def test_on_a_narrow_terminal_no_flag_is_cut(cli, monkeypatch, command: str, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = cli(command, "--help").stdout
    found = get_command(build_app([command, "prepare"])).commands[command]
    flags = [name for one in found.params for name in (*one.opts, *one.secondary_opts)]
    assert [name for name in flags if name.startswith("--") and name not in shown] == []
    assert max(map(len, shown.splitlines())) <= int(columns)
    assert "…" not in shown
