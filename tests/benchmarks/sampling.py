"""Tokens per second, beside nanoGPT's way, transformers, llama.cpp and the memory's own limit.

Weights are random: they decide nothing of the pace. All contestants take turns in one process.
"""

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from gptcli.config.model import ModelConfig
from gptcli.config.sampling import SamplingConfig
from gptcli.families.registry import PRESETS
from gptcli.fast.compiled import compile_step
from gptcli.fast.layers import use_fast_layers
from gptcli.fast.quantization import quantize
from gptcli.generation.decoder import Decoder
from gptcli.generation.generate import generate
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from tests.benchmarks.llama_cpp import llama_cpp
from tests.benchmarks.timing import spread, time_in_turn

_ROUNDS = 5
_Contestants = dict[str, Callable[[], int]]


def run(folder: Path, peer: Path | None) -> None:
    """Print all figures; ``peer`` is a checkout of nanoGPT."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    _print_bandwidth()
    lecture = PRESETS["lecture"].model
    _print_lecture(lecture, peer)
    _print_gpt2(PRESETS["gpt2"].model, folder)
    _print_batch(lecture)
    _print_first_token(folder)


def _print_bandwidth() -> None:
    numbers = torch.ones(2**27)  # 512 MiB, beyond every cache
    torch.sum(numbers)
    seconds = _timed(lambda: int(torch.sum(numbers)), 10)
    print(f"memory: {spread([numbers.nbytes / one / 1e9 for one in seconds], unit=' GB/s')} read")


def _print_lecture(config: ModelConfig, peer: Path | None) -> None:
    model = use_fast_layers(new_model(config, 1)).eval()
    contestants: _Contestants = {"gptcli, eager": lambda: _ours(model, 1000)}
    if peer is not None:
        contestants["nanoGPT"] = _nanogpt(config, peer, 1000)
    contestants["transformers"] = _transformers(config, torch.float32, 8, 1000)
    print("lecture model, 1,000 tokens, float32:")
    _print_rates(contestants, rounds=3)
    print(f"  the step compiles in {_seconds(lambda: compile_step(model, 1)):.0f} s")
    _print_rates({"gptcli, compiled": lambda: _ours(model, 1000)})


def _print_gpt2(config: ModelConfig, folder: Path) -> None:
    print("GPT-2 124M, 256 tokens after 64:")
    for name, dtype, kind in (
        ("float32", torch.float32, "F32"),
        ("bfloat16", torch.bfloat16, "BF16"),
    ):
        model = use_fast_layers(new_model(config, 1)).eval().to(dtype)
        theirs = _transformers(config, dtype, 64, 256)
        _print_beside(name, model, {"transformers": theirs}, kind, folder)
    model = quantize(use_fast_layers(new_model(config, 1)).eval()).to(torch.bfloat16)
    _print_beside("int8", model, {}, "Q8_0", folder)


def _print_beside(name: str, model: GPT, world: _Contestants, kind: str, folder: Path) -> None:
    _print_rates({f"gptcli eager, {name}": lambda: _ours(model, 256, 64)}, rounds=3)
    compile_step(model, 1)
    contestants = {"gptcli compiled": lambda: _ours(model, 256, 64), **world}
    theirs = llama_cpp(model.config, kind, folder, 64, 256)
    if theirs is not None:
        contestants["llama.cpp"] = theirs
    _print_rates({f"{who}, {name}": write for who, write in contestants.items()})


def _print_batch(config: ModelConfig) -> None:
    model = use_fast_layers(new_model(config, 1)).eval()
    compile_step(model, 16)
    theirs = _transformers(config, torch.float32, 8, 240, num_samples=16)
    print("lecture model, 16 samples of 240 tokens at once:")
    _print_rates(
        {
            "one sample": lambda: _ours(model, 240),
            "16 samples": lambda: 16 * _ours(model, 240, num_samples=16),
            "transformers, 16 samples": lambda: 16 * theirs(),
        }
    )


def _ours(model: GPT, n_new: int, n_prompt: int = 8, num_samples: int = 1) -> int:
    config = SamplingConfig(max_new_tokens=n_new, num_samples=num_samples)
    decoder = Decoder(model, num_samples, "cpu")
    for _ in generate(decoder, list(range(n_prompt)), config):
        pass
    return n_new


def _nanogpt(config: ModelConfig, peer: Path, n_new: int) -> Callable[[], int]:
    with _importing_from(peer):
        theirs = importlib.import_module("model")
    names = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size")
    sizes = {name: getattr(config, name) for name in names}
    model = theirs.GPT(theirs.GPTConfig(**sizes, dropout=0.0, bias=True)).eval()
    prompt = torch.arange(8)[None]

    def write() -> int:
        model.generate(prompt, n_new)
        return n_new

    return write


def _transformers(
    config: ModelConfig, dtype: torch.dtype, n_prompt: int, n_new: int, num_samples: int = 1
) -> Callable[[], int]:
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes: dict[str, Any] = {
        "n_layer": config.n_layer, "n_head": config.n_head, "n_embd": config.n_embd,
        "n_positions": max(config.block_size, n_prompt + n_new), "vocab_size": config.vocab_size,
        "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
    }  # fmt: skip
    model = GPT2LMHeadModel(GPT2Config(**sizes)).eval().to(dtype)
    prompt = torch.arange(n_prompt).expand(num_samples, -1)

    @torch.inference_mode()
    def write() -> int:
        model.generate(prompt, do_sample=True, top_k=0, min_new_tokens=n_new, max_new_tokens=n_new)
        return n_new

    return write


def _print_rates(contestants: _Contestants, rounds: int = _ROUNDS) -> None:
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, write in contestants.items():
            started = time.perf_counter()
            n_tokens = write()
            if number:
                rates[name].append(n_tokens / (time.perf_counter() - started))
    for name, values in rates.items():
        print(f"  {name:<28}{spread(values, unit=' tokens/s')}", flush=True)


def _timed(action: Callable[[], object], rounds: int) -> list[float]:
    return [_seconds(action) for _ in range(rounds)]


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _print_first_token(folder: Path) -> None:
    """Whole processes, with a run of the lecture's size."""
    gptcli = [sys.executable, "-m", "gptcli"]
    steps = ("--max-iters", "1", "--eval-batches", "1")
    for words in (("prepare", "python", "-q"), ("train", "--preset", "lecture", *steps, "-q")):
        subprocess.run([*gptcli, *words], cwd=folder, check=True, capture_output=True)
    run_directory = next((folder / "runs").iterdir())
    commands = {
        "gptcli sample -n 1": [*gptcli, "sample", str(run_directory), "-n", "1", "-q"],
        "import torch": [sys.executable, "-c", "import torch"],
    }
    print("to the first token, whole process:")
    for name, values in time_in_turn(commands, _ROUNDS).items():
        print(f"  {name:<28}{spread(values, 1000, ' ms')}")
