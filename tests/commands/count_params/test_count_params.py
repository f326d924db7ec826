"""count-params: exact figures in every format, without torch, and one line for a mistake."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gptcli.checkpoint.config_json import model_config_json
from gptcli.checkpoint.layout import file_layout
from gptcli.config.model import ModelConfig
from gptcli.families.registry import PRESETS

TINY = ModelConfig(n_layer=2, n_head=2, n_embd=8, block_size=16, vocab_size=11)


def document(outcome: object) -> dict:
    assert outcome.code == 0, outcome.stderr
    return json.loads(outcome.stdout)


def write_checkpoint(directory: Path, config: ModelConfig, drop: str = "") -> Path:
    """A model directory with a header as safetensors has it, and zeros for weights."""
    directory.mkdir(parents=True)
    text = json.dumps(model_config_json(config))
    (directory / "config.json").write_text(text, encoding="utf-8")
    header, end = {}, 0
    for entry in file_layout(config):
        if entry.name == drop:
            continue
        n_bytes = 4
        for size in entry.file_shape:
            n_bytes *= size
        offsets = [end, end + n_bytes]
        header[entry.name] = {"dtype": "F32", "shape": entry.file_shape, "data_offsets": offsets}
        end += n_bytes
    encoded = json.dumps(header).encode()
    content = len(encoded).to_bytes(8, "little") + encoded + bytes(end)
    (directory / "model.safetensors").write_bytes(content)
    return directory


def test_gpt3_shows_rows_totals_and_costs(cli: Callable) -> None:
    shown = cli("count-params", "--preset", "gpt3")
    assert shown.code == 0
    for figure in ("14,495,514,624", "174,604,259,328", "175,221,817,344", "4,718,592"):
        assert figure in shown.stdout
    assert "GPT-3, 175B" in shown.stderr


def test_the_chapters_accounting_shows_its_total_and_reconciles(cli: Callable) -> None:
    shown = cli("count-params", "--preset", "gpt3", "--accounting", "3b1b")
    for figure in ("175,181,291,520", "603,979,776", "+10,616,832", "174,604,259,328", "33.1%"):
        assert figure in shown.stdout
    for name in ("value down", "value up"):
        assert name in shown.stdout, "the chapter's names"


def test_json_has_every_documented_field_and_integers_as_numbers(cli: Callable) -> None:
    made = document(cli("count-params", "--preset", "gpt3", "--context", "1k,2k", "--json"))
    assert made["schema"] == "gptcli.params/1"
    query = next(row for row in made["rows"] if row["name"] == "query")
    assert query["shape"] == [128, 12288]
    assert (query["copies"], query["params"]) == (9216, 14_495_514_624)
    assert query["share"] == pytest.approx(0.0830, abs=1e-4)
    assert made["totals"]["exact"] == 174_604_259_328
    assert made["buffers"] == 0
    assert made["flops"]["training_full"] == 2_204_412_785_197_056
    assert [entry["context"] for entry in made["by_context"]] == [1024, 2048]
    assert made["by_context"][1]["attention_pattern"]["all_heads"] == 38_654_705_664
    assert sum(row["share"] for row in made["rows"]) == pytest.approx(1, abs=1e-4)


def test_json_of_the_chapters_accounting(cli: Callable) -> None:
    asked = ("count-params", "--preset", "gpt3", "--accounting", "3b1b", "--format", "json")
    made = document(cli(*asked))
    assert made["scorekeeping"]["total"] == 175_181_291_520
    assert sum(row["params"] for row in made["rows"]) == 175_181_291_520


@pytest.mark.parametrize("accounting", ["exact", "3b1b"])
def test_csv_rows_sum_to_the_total(cli: Callable, accounting: str) -> None:
    shown = cli("count-params", "--preset", "gpt2", "--accounting", accounting, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    total = {"exact": 124_439_808, "3b1b": 162_129_408}[accounting]
    assert sum(int(row["params"]) for row in rows) == total


def test_csv_with_contexts_is_the_table_by_context(cli: Callable) -> None:
    shown = cli("count-params", "--preset", "gpt2", "--context", "1k", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(shown.stdout))
    assert (row["context"], row["forward_full"]) == ("1024", "291648307200")


def test_markdown_is_pipe_tables(cli: Callable) -> None:
    shown = cli("count-params", "--preset", "gpt2", "--format", "md")
    assert "| matrix | shape | copies | params | share |" in shown.stdout
    assert "| query | 64 x 768 | 144 | 7,077,888 | 5.7% |" in shown.stdout


def test_sizes_change_a_preset(cli: Callable) -> None:
    sizes = ("--n-layer", 24, "--n-head", 16, "--n-embd", 1024)
    made = document(cli("count-params", "--preset", "gpt2", *sizes, "--untied", "--json"))
    assert made["totals"]["exact"] == 406_286_336
    assert made["config"]["tied"] is False


def test_diff_compares_two_models(cli: Callable) -> None:
    made = document(cli("count-params", "--diff", "gpt2", "lecture", "--json"))
    assert made["totals"]["exact"] == 10_788_929 - 124_439_808
    assert made["rows"]["unembedding_bias"] == 65
    shown = cli("count-params", "--diff", "gpt2", "gpt2-medium")
    assert "+18,087,936" in shown.stdout


def test_a_model_compared_with_itself_does_not_differ(cli: Callable) -> None:
    made = document(cli("count-params", "--diff", "gpt2", "gpt2", "--json"))
    assert set(made["rows"].values()) == set(made["totals"].values()) == {0}
    assert cli("count-params", "--diff", "gpt2", "gpt2").code == 0


def test_list_presets_names_all_with_their_counts(cli: Callable) -> None:
    made = document(cli("count-params", "--list-presets", "--json"))
    listed = {entry["name"]: entry["params"] for entry in made["presets"]}
    assert list(listed) == list(PRESETS)
    assert listed["lecture"] == 10_788_929
    measured = {entry["name"]: entry["measured"] for entry in made["presets"]}
    assert measured["lecture-bigram"]["val_loss"] == 2.486
    assert measured["gpt3"] is None


def test_explain_alone_is_about_gpt2(cli: Callable) -> None:
    shown = cli("count-params", "--explain")
    for figure in ("124,439,808", "163,037,184", "116,534,784"):
        assert figure in shown.stdout


def test_out_holds_what_stdout_would_and_is_not_overwritten(cli: Callable, tmp_path: Path) -> None:
    asked = ("count-params", "--preset", "gpt2", "--json")
    assert cli(*asked, "--out", "counts.json").code == 0
    written = (tmp_path / "counts.json").read_text(encoding="utf-8")
    assert written == cli(*asked).stdout
    refused = cli(*asked, "--out", "counts.json")
    assert refused.code == 2
    assert "--overwrite" in refused.stderr


@pytest.mark.parametrize("columns", ["1", "20", "40", "60", "80", "200"])
def test_no_width_cuts_a_number(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    asked = ("--context", "1k,8k,1m", "--gpu-mem", "80GB", "--train-tokens", "300B")
    shown = cli("count-params", "--preset", "gpt3", *asked, "--explain")
    assert shown.code == 0
    for figure in ("14,495,514,624", "38.65 GB", "314.3 ZFLOP"):
        assert figure in shown.stdout
    assert "\x1b" not in shown.stdout
    if int(columns) >= 60:
        assert max(map(len, shown.stdout.splitlines())) <= int(columns)


def test_checkpoint_counts_what_its_file_holds(cli: Callable, tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "model", TINY)
    shown = cli("count-params", directory, "--json")
    made = document(shown)
    exact = made["totals"]["exact"]
    assert made["checkpoint"]["bytes"] == made["memory"]["weights"] == 4 * exact
    assert made["checkpoint"]["dtype"] == made["memory"]["dtype"] == "float32"
    assert f"{4 * exact:,} bytes" in shown.stderr


def test_zeros_stored_for_absent_biases_are_told_apart(cli: Callable, tmp_path: Path) -> None:
    config = ModelConfig(2, 2, 8, 16, 11, bias=False)
    directory = write_checkpoint(tmp_path / "model", config)
    shown = cli("count-params", directory)
    assert shown.code == 0
    assert "zeros of biases" in shown.stderr


def test_a_checkpoint_of_another_size_than_its_config_is_refused(
    cli: Callable, tmp_path: Path
) -> None:
    directory = write_checkpoint(tmp_path / "model", TINY, drop="transformer.h.1.mlp.c_fc.weight")
    refused = cli("count-params", directory)
    assert refused.code == 4
    assert "lacks tensor transformer.h.1.mlp.c_fc.weight" in refused.stderr


def test_a_damaged_header_is_refused(cli: Callable, tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "model", TINY)
    (directory / "model.safetensors").write_bytes(b"\xff" * 100)
    refused = cli("count-params", directory)
    assert refused.code == 4
    assert len(refused.stderr.splitlines()) == 1


def test_model_config_needs_no_weights(cli: Callable, tmp_path: Path) -> None:
    text = json.dumps(model_config_json(PRESETS["gpt2"].model))
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    made = document(cli("count-params", "--model-config", "config.json", "--json"))
    assert made["totals"]["exact"] == 124_439_808


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--preset", "gpt-3"), ("--preset gpt-3", "gpt3")),
        (("--preset", "gpt2", "--n-head", "7"), ("--n-head 7", "try --n-head")),
        (("--preset", "gpt2", "--n-layer", "0"), ("--n-layer must be at least 1",)),
        (("--preset", "gpt2", "--n-embd", "-768"), ("--n-embd must be at least 1, not -768",)),
        (("--preset", "gpt2", "--n-layer", str(10**12)), ("--n-layer", "10,000")),
        (("--preset", "gpt2", "--vocab-size", str(10**18)), ("--vocab-size",)),
        (("--preset", "gpt2", "--n-layer", "many"), ("--n-layer",)),
        (("--preset", "gpt2", "--context", "1x"), ("--context '1x'", "1k,2k")),
        (("--preset", "gpt2", "--context", "0"), ("--context '0'",)),
        (("--preset", "gpt2", "--context", "1k,,2k"), ("--context ''",)),
        (("--preset", "gpt2", "--context", "9" * 5000), ("--context",)),
        (("--preset", "gpt2", "--accounting", "raschka"), ("--accounting", "3b1b")),
        (("--preset", "gpt2", "--format", "xml"), ("--format xml", "csv")),
        (("--preset", "gpt2", "x"), ("CHECKPOINT and --preset",)),
        (("--diff", "gpt2", "gpt9"), ("gpt9", "gpt2")),
        (("--diff", "gpt2", "lecture", "--n-layer", "3"), ("--diff", "--n-layer")),
        (("--list-presets", "--preset", "gpt2"), ("--list-presets", "--preset")),
        (("runs/nowhere",), ("nowhere",)),
        (("--model-config", "nowhere.json"), ("nowhere.json",)),
        ((), ("gptcli train",)),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(cli: Callable, argv: tuple, words: tuple) -> None:
    refused = cli("count-params", *argv)
    assert refused.code == 2
    assert refused.stdout == ""
    lines = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert all(word in lines[0] for word in words)


@pytest.mark.parametrize("argv", [["--preset", "gpt3"], ["--preset", "gpt3", "--context", "1k"]])
def test_neither_torch_nor_numpy_nor_rich_is_imported(argv: list[str]) -> None:
    code = (
        "import sys\n"
        "from gptcli.cli import main\n"
        f"sys.argv = ['gptcli', 'count-params', *{argv!r}]\n"
        "try: main()\n"
        "except SystemExit as stopped: assert not stopped.code\n"
        "heavy = {'torch', 'numpy', 'tokenizers', 'safetensors', 'rich.table'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
