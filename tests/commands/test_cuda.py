"""The commands on a GPU, beside the same on the CPU; without a GPU nothing here runs."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

PLACES = {"here": "cpu", "there": "cuda"}
SHOWN = ("runs/here", "--text", "the cats")
# All that would be chosen for the device.
GIVEN = ("--dropout", 0, "--warmup-iters", 2, "--lr", 0.004, "--min-lr", 0.0004)
STEPS = ("--max-iters", 6, "--eval-interval", 2)
WAYS = {
    "gpt2": ("--family", "gpt2"),
    "llama": ("--family", "llama", "--n-kv-head", 1),
    "qwen3": ("--family", "qwen3"),
    "nanochat": ("--family", "nanochat"),
    "muon": ("--family", "nanochat", "--optimizer", "muon"),
    "accumulated": ("--family", "gpt2", "--grad-accum", 3),
    "taught": ("--family", "nanochat", "--optimizer", "muon", "--ngram-teacher", 0.7),
    "without clipping": ("--family", "gpt2", "--grad-clip", 0),
}


def losses(run: Path) -> list[float]:
    """The losses of every evaluation of a run, both splits."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [
        line[name] for line in lines if "val_loss" in line for name in ("train_loss", "val_loss")
    ]


@pytest.mark.parametrize("name", WAYS)
def test_a_gpu_trains_as_the_cpu_does(cli, prepared: Path, tiny, name: str) -> None:
    for out, device in PLACES.items():
        done = cli(
            "train", *tiny, *GIVEN, *WAYS[name], *STEPS, "--device", device, "--out", f"runs/{out}"
        )
        assert done.code == 0, done.stderr
    here, there = losses(prepared / "runs/here"), losses(prepared / "runs/there")
    assert there == pytest.approx(here, rel=2e-3 if "nanochat" in WAYS[name] else 2e-4)
    assert there[-1] < there[1]


@pytest.mark.parametrize("flags", [(), ("--compile", "on"), ("--grad-accum", 2)], ids=str)
def test_bfloat16_is_near_float32(cli, prepared: Path, flags) -> None:
    sizes = (
        "--family", "gpt2", "--n-layer", 2, "--n-head", 2, "--n-embd", 64, "--block-size", 32,
        "--batch-size", 16, "--max-iters", 60, "--eval-interval", 30, "--device", "cuda", *GIVEN,
    )  # fmt: skip
    found = {}
    for precision in ("float32", "bfloat16"):
        out = f"runs/{precision}"
        done = cli("train", *sizes, *flags, "--precision", precision, "--out", out)
        assert done.code == 0, done.stderr
        found[precision] = losses(prepared / out)
    assert found["bfloat16"] == pytest.approx(found["float32"], rel=0.03)


def test_what_a_gpu_trained_is_the_same_everywhere(cli, prepared: Path, tiny) -> None:
    done = cli("train", *tiny, "--max-iters", 40, "--device", "cuda", "--out", "runs/here")
    assert done.code == 0, done.stderr
    found = [
        (
            json.loads(cli("eval", "runs/here", "--device", device, "--json").stdout),
            cli("sample", "runs/here", "--prompt", "LINE", "--device", device).stdout,
            json.loads(cli("inspect-attention", *SHOWN, "--device", device, "--json").stdout),
        )
        for device in PLACES.values()
    ]
    (loss, text, _), (other_loss, other_text, seen) = found
    assert other_loss["loss"] == pytest.approx(loss["loss"], rel=1e-4)
    assert other_text == text
    assert seen["check"]["fused_max_error"] < 1e-4
    assert seen["check"]["future_mass_max"] == 0


@pytest.mark.parametrize("order", [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_run_goes_on_elsewhere(cli, prepared: Path, tiny, order) -> None:
    begun, continued = order
    common = (*tiny, *GIVEN, "--family", "gpt2", "--optimizer", "adamw", "--eval-interval", 4)
    whole = cli("train", *common, "--max-iters", 8, "--device", "cpu", "--out", "runs/whole")
    half = cli("train", *common, "--max-iters", 8, "--device", begun, "--out", "runs/half")
    assert whole.code == half.code == 0, half.stderr
    grown = cli("train", "--resume", "runs/half", "--max-iters", 12, "--device", continued)
    rest = cli("train", "--resume", "runs/whole", "--max-iters", 12)
    assert grown.code == rest.code == 0, grown.stderr
    ours, oracle = losses(prepared / "runs/half"), losses(prepared / "runs/whole")
    assert ours == pytest.approx(oracle, rel=2e-4)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_that_is_not_finite_changes_nothing(cli, prepared: Path, tiny, optimizer) -> None:
    wild = ("--optimizer", optimizer, "--lr", 1e30, "--warmup-iters", 0, "--grad-clip", 0)
    done = cli("train", *tiny, *wild, "--max-iters", 40, "--device", "cuda", "--out", "runs/wild")
    assert done.code == 6, done.stderr
    assert "diverged at step" in done.stderr
    for saved in prepared.glob("runs/wild/**/*.safetensors"):
        assert all(bool(tensor.isfinite().all()) for tensor in load_file(saved).values())


def test_too_large_a_batch_is_refused_before_anything_is_written(cli, prepared: Path) -> None:
    sizes = ("--n-layer", 12, "--n-head", 12, "--n-embd", 768, "--block-size", 1024)
    done = cli("train", *sizes, "--batch-size", 100_000, "--max-iters", 5, "--device", "cuda")
    assert done.code in (3, 7), done.stderr
    assert not (prepared / "runs").exists()


def test_the_memory_that_was_foretold_is_taken(cli, prepared: Path) -> None:
    sizes = (
        "--family", "gpt2", "--n-layer", 6, "--n-head", 6, "--n-embd", 384, "--block-size", 256,
        "--batch-size", 64, "--max-iters", 3, "--eval-batches", 1, "--device", "cuda",
        "--compile", "off",
    )  # fmt: skip
    foretold = json.loads(cli("train", *sizes, "--dry-run", "--json").stdout)
    torch.cuda.reset_peak_memory_stats()
    done = cli("train", *sizes, "-q")
    assert done.code == 0, done.stderr
    taken = torch.cuda.max_memory_allocated()
    expected = foretold["memory"]["peak"] - foretold["memory"]["libraries"]
    print(f"memory: foretold {expected / 2**30:.2f} GiB, taken {taken / 2**30:.2f} GiB")
    assert math.isclose(taken, expected, rel_tol=0.3)


PAIRS = [
    {"prompt": f"{a}+{b}=", "chosen": str(a + b), "rejected": str(a + b + 1)}
    for a in range(10)
    for b in range(12)
]
OBJECTIVES = {
    "reward": (),
    "dpo": (),
    "ppo": ("--reward", "runs/reward"),
    "grpo": ("--group-size", 4, "--kl-coef", 0.1),
}


def test_every_objective_learns_on_a_gpu_as_on_the_cpu(cli, tmp_path: Path) -> None:
    lines = (json.dumps(pair) + "\n" for pair in PAIRS)
    (tmp_path / "pairs.jsonl").write_text("".join(lines))
    size = ("--family", "llama", "--n-layer", 2, "--n-head", 2, "--n-embd", 16)
    for command in (
        ("prepare", "pairs.jsonl", "--out", "data/pairs"),
        ("train", *size, "--max-iters", 40, "--device", "cpu", "--out", "runs/base"),
    ):
        assert cli(*command).code == 0
    for name, flags in OBJECTIVES.items():
        found = []
        for device in PLACES.values():
            done = cli(
                "train", "--objective", name, "--init-from", "runs/base", *flags, "--batch-size", 8,
                "--max-iters", 3, "--eval-interval", 1, "--device", device, "--overwrite",
                "--out", f"runs/{name}",
            )  # fmt: skip
            assert done.code == 0, done.stderr
            lines = (tmp_path / f"runs/{name}/metrics.jsonl").read_text().splitlines()
            found.append([json.loads(line) for line in lines])
        ours, oracle = found
        assert [one.keys() for one in ours] == [one.keys() for one in oracle]
        for here, there in zip(ours, oracle, strict=True):
            for key in [key for key in here if not key.endswith("per_second")]:
                assert there[key] == pytest.approx(here[key], rel=1e-2, abs=1e-3), (name, key)
