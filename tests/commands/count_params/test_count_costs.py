"""count-params on costs: by context, in a memory, of a checkpoint, verified and drawn."""

import csv
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gptcli.accounting.parameters import Row, parameter_rows
from gptcli.checkpoint.config_json import model_config_json
from gptcli.checkpoint.layout import file_layout
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.model import ModelConfig
from gptcli.families.registry import PRESETS
from gptcli.generation.decoder import Decoder
from gptcli.model.initialization import new_model

TINY = ModelConfig(n_layer=2, n_head=2, n_embd=8, block_size=16, vocab_size=11)


def document(outcome: object) -> dict:
    assert outcome.code == 0, outcome.stderr
    return json.loads(outcome.stdout)


def write_sparse_shards(directory: Path, config: ModelConfig, n_shards: int) -> int:
    """A sharded model directory of BF16 weights that are all hole; returns their bytes."""
    directory.mkdir()
    entries = file_layout(config)
    weight_map, total = {}, 0
    for number in range(n_shards):
        name = f"model-{number + 1:05d}-of-{n_shards:05d}.safetensors"
        header, end = {}, 0
        for entry in entries[number::n_shards]:
            n_bytes = 2
            for size in entry.file_shape:
                n_bytes *= size
            offsets = [end, end + n_bytes]
            header[entry.name] = {
                "dtype": "BF16",
                "shape": entry.file_shape,
                "data_offsets": offsets,
            }
            weight_map[entry.name] = name
            end += n_bytes
        encoded = json.dumps(header).encode()
        with (directory / name).open("wb") as file:
            file.write(len(encoded).to_bytes(8, "little") + encoded)
            file.truncate(8 + len(encoded) + end)
        total += end
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    (directory / "config.json").write_text(json.dumps(model_config_json(config)))
    return total


def test_ten_gigabytes_in_shards_cost_less_than_a_third_of_a_second(
    cli: Callable, tmp_path: Path
) -> None:
    config = replace(PRESETS["llama3-8b"].model, n_layer=20)
    n_bytes = write_sparse_shards(tmp_path / "shards", config, 5)
    assert n_bytes > 10 * 10**9
    times = []
    for argv in (("--preset", "llama3-8b"), ("shards",)) * 3:
        started = time.perf_counter()
        made = document(cli("count-params", *argv, "--json"))
        times.append(time.perf_counter() - started)
    assert made["checkpoint"]["bytes"] == made["memory"]["weights"] == n_bytes
    assert made["checkpoint"]["dtype"] == "bfloat16"
    assert min(times[1::2]) - min(times[::2]) < 0.3


def test_shards_that_lack_a_tensor_or_a_file_are_refused(cli: Callable, tmp_path: Path) -> None:
    write_sparse_shards(tmp_path / "shards", TINY, 3)
    first = tmp_path / "shards" / "model-00001-of-00003.safetensors"
    content = first.read_bytes()
    first.write_bytes(content[:-1])
    assert cli("count-params", "shards").code == 4
    other = tmp_path / "shards" / "model-00002-of-00003.safetensors"
    first.write_bytes(other.read_bytes())
    refused = cli("count-params", "shards")
    assert refused.code == 4
    assert "lacks tensor" in refused.stderr


def test_weights_are_the_bytes_of_the_tensors_in_a_file_that_we_write(
    cli: Callable, tmp_path: Path
) -> None:
    directory = tmp_path / "model"
    directory.mkdir()
    weights = dict(new_model(TINY, 1).named_parameters())
    save_weights(directory / "model.safetensors", weights, TINY)
    (directory / "config.json").write_text(json.dumps(model_config_json(TINY)))
    made = document(cli("count-params", "model", "--json"))
    stored = sum(parameter.nbytes for parameter in weights.values())
    assert made["memory"]["weights"] == made["checkpoint"]["bytes"] == stored


@pytest.mark.parametrize("n_kv_head", [1, 4])
def test_the_cache_is_what_the_sampler_allocates(cli: Callable, n_kv_head: int) -> None:
    sizes = {"n_layer": 3, "n_head": 4, "n_kv_head": n_kv_head, "n_embd": 16, "block_size": 24}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in sizes.items()]
    asked = ("--preset", "tinyllama-1.1b", *flags, "--n-inner", 8, "--vocab-size", 9)
    made = document(cli("count-params", *asked, "--batch-size", 5, "--dtype", "float32", "--json"))
    preset = PRESETS["tinyllama-1.1b"].model
    config = replace(preset, **sizes, head_dim=None, n_inner=8, vocab_size=9)
    cache = Decoder(new_model(config, 1), 5, "cpu", True)._cache
    assert cache is not None
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert made["memory"]["generation"]["kv_cache"] == held
    assert made["by_context"][0]["kv_cache_bytes"] == held


def test_work_scales_by_batch_and_dtype(cli: Callable) -> None:
    def costs(*flags: object) -> dict:
        return document(cli("count-params", "--preset", "gpt2", *flags, "--json"))["memory"]

    one, eight = costs("--batch-size", 1), costs("--batch-size", 8)
    assert eight["generation"]["kv_cache"] == 8 * one["generation"]["kv_cache"]
    assert eight["weights"] == one["weights"] == 2 * 124_439_808
    assert costs("--dtype", "float32")["weights"] == 4 * 124_439_808
    half = costs("--precision", "bfloat16")["training"]
    assert half["activations"] < one["training"]["activations"]
    assert half["optimizer"] == 8 * 124_439_808


def test_training_compute_is_6nd_and_exact(cli: Callable) -> None:
    asked = ("--preset", "gpt3", "--train-tokens", "300B", "--device-flops", "1e15", "--json")
    compute = document(cli("count-params", *asked))["training_compute"]
    assert compute["six_nd"] == 6 * 174_604_259_328 * 300 * 10**9
    assert compute["full"] == 2_204_412_785_197_056 // 2048 * 300 * 10**9
    assert compute["seconds"]["six_nd"] == pytest.approx(compute["six_nd"] / 10**15)
    table = cli("count-params", *asked[:-1]).stdout
    assert "314.3 ZFLOP" in table
    assert "10.0 years" in table


def test_a_memory_says_what_fits_and_what_would(cli: Callable) -> None:
    asked = ("--preset", "gpt2", "--context", "1k,2k", "--batch-size", "8", "--gpu-mem", "20GB")
    shown = cli("count-params", *asked).stdout
    assert re.search(r"training, 1k +yes", shown)
    assert re.search(r"training, 2k +no.*--batch-size 7", shown)
    assert re.search(r"training, 1k +yes, needs 11", shown), "a GPU has all logits at once"
    fits = document(cli("count-params", *asked, "--json"))["by_context"][1]["fit"]
    assert [(fit["use"], fit["fits"]) for fit in fits] == [
        ("training", False),
        ("generation", True),
    ]
    assert all(remedy["needs"] <= 20 * 10**9 for remedy in fits[0]["remedies"])


def test_csv_holds_every_cost_as_an_integer(cli: Callable) -> None:
    asked = ("--preset", "gpt2", "--context", "1k,2k", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(cli("count-params", *asked).stdout)))
    assert [row["context"] for row in rows] == ["1024", "2048"]
    assert all(value.isdigit() for row in rows for value in row.values())
    assert rows[0]["training_full"] == "874944921600"


def test_verify_agrees_with_what_torch_builds(cli: Callable) -> None:
    shown = cli("count-params", "--preset", "gpt3", "--verify", "--json")
    assert document(shown)["verified_rows"] == 21
    assert "all 21 rows agree" in shown.stderr


def test_verify_exits_4_where_a_row_is_wrong(
    cli: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tampered(config: ModelConfig) -> tuple[Row, ...]:
        return (*parameter_rows(config)[:-1], Row("unembedding_bias", (66,), 1))

    monkeypatch.setattr("gptcli.commands.count_params.run.parameter_rows", tampered)
    refused = cli("count-params", "--preset", "lecture", "--verify")
    assert (refused.code, refused.stdout) == (4, "")
    assert "unembedding_bias was counted as 1 of [66] but built as 1 of [65]" in refused.stderr


def test_svg_names_the_matrices_and_is_the_same_every_time(cli: Callable, tmp_path: Path) -> None:
    asked = ("count-params", "--preset", "gpt2", "--format", "svg")
    assert cli(*asked, "--out", "a.svg").code == 0
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    for name in ("token embedding", "up projection", "query", "124,439,808 parameters"):
        assert f"<!-- {name}" in text or f"{name} -->" in text
    assert "prefers-color-scheme: dark" in text
    assert cli(*asked).stdout == text
    assert cli("count-params", "--diff", "gpt2", "lecture", "--format", "svg").code == 2


def test_the_lectures_buffers_are_a_trap_that_is_not_ours(cli: Callable) -> None:
    made = document(cli("count-params", "--preset", "lecture", "--json"))
    assert (made["totals"]["exact"], made["buffers"]) == (10_788_929, 0)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--gpu-mem", "24"), ("--gpu-mem", "24GB or 24GiB")),
        (("--batch-size", "0"), ("--batch-size must be at least 1",)),
        (("--dtype", "int3"), ("--dtype int3", "bfloat16")),
        (("--precision", "half"), ("--precision half", "bfloat16")),
        (("--train-tokens", "lots"), ("--train-tokens 'lots'", "300B")),
        (("--train-tokens", "1B", "--device-flops", "0"), ("--device-flops '0'",)),
        (("--device-flops", "1T"), ("--device-flops works only with --train-tokens",)),
        (("--head-dim", "32"), ("--head-dim 32", "llama")),
        (("--dropout", "2"), ("--dropout must be at least 0 and below 1, not 2",)),
    ],
)
def test_a_mistake_in_the_work_is_one_line_and_exit_code_2(
    cli: Callable, argv: tuple, words: tuple
) -> None:
    refused = cli("count-params", "--preset", "gpt2", *argv)
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert (refused.code, refused.stdout, len(errors)) == (2, "", 1)
    assert all(word in errors[0] for word in words)


@pytest.mark.parametrize("columns", ["40", "80"])
@pytest.mark.parametrize(
    "argv",
    [
        ("--preset", "gpt3"),
        ("--preset", "gpt3", "--accounting", "3b1b"),
        ("--preset", "llama3-8b", "--context", "1k,8k,128k", "--gpu-mem", "24GB"),
        ("--preset", "gpt2", "--train-tokens", "300B", "--device-flops", "150T"),
        ("--diff", "gpt2", "lecture"),
    ],
)
def test_no_line_is_wider_than_the_terminal(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, columns: str, argv: tuple
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = cli("count-params", *argv)
    assert max(map(len, shown.stdout.splitlines())) <= int(columns)


def test_a_checkpoint_is_counted_without_torch(tmp_path: Path) -> None:
    write_sparse_shards(tmp_path / "shards", TINY, 2)
    code = (
        "import sys\n"
        "from gptcli.cli import main\n"
        f"sys.argv = ['gptcli', 'count-params', {str(tmp_path / 'shards')!r},\n"
        "    '--gpu-mem', '24GB', '--train-tokens', '1B', '--format', 'json']\n"
        "try: main()\n"
        "except SystemExit as stopped: assert not stopped.code\n"
        "print(sorted({'torch', 'safetensors'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
