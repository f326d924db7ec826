"""Tokens per second, beside nanoGPT's way, transformers, llama.cpp and the memory's own limit.

Weights are random: they decide nothing of the pace. All contestants take turns in one process.
"""

import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gptcli.checkpoint.config_json import model_config_json, read_model_config
from gptcli.config.model import ModelConfig
from gptcli.config.sampling import SamplingConfig
from gptcli.families.registry import FAMILIES, PRESETS, family_of
from gptcli.fast.compiled import compile_step
from gptcli.fast.layers import use_fast_layers
from gptcli.fast.quantization import quantize
from gptcli.generation.decoder import Decoder
from gptcli.generation.generate import generate
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from tests.benchmarks.contestants import gptcli, prepare
from tests.benchmarks.llama_cpp import llama_cpp
from tests.benchmarks.long_runs import PLAIN
from tests.benchmarks.machine import memory_rate, print_title
from tests.benchmarks.timing import spread, time_in_turn

_ROUNDS = 5
_PROMPT = 8
_SAMPLES = 16
_DTYPES = (("float32", torch.float32), ("bfloat16", torch.bfloat16))
_LOOKED_UP = ("token_embedding.weight", "position_embedding.weight")
_Contestants = dict[str, Callable[[], int]]


def run(folder: Path, peer: Path | None, plain: Path | None) -> None:
    """Print all figures; ``peer`` is a checkout of nanoGPT, ``plain`` the plain command's run."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    lecture = PRESETS["lecture"].model
    print_title("sampling: the lecture's model, 1,000 tokens, float32")
    print_lecture(lecture, peer)
    print_title(f"sampling: the lecture's model, {_SAMPLES} texts of 240 tokens at once")
    print_batch(lecture)
    config = read_model_config(plain or _plain_run(folder))
    print_title(f"sampling: the plain command's run ({family_of(config).name})")
    print_batch(config)
    gpt2 = PRESETS["gpt2"].model
    for family in ("gpt2", "llama", "nanochat"):
        print_title(f"sampling: {family}, GPT-2's size, 256 tokens after 64")
        switches: dict[str, Any] = dict(FAMILIES[family].switches)
        print_beside_memory(replace(gpt2, **switches), folder)
    _print_first_token(folder)


def _plain_run(folder: Path) -> Path:
    """The model of the plain command after one step."""
    prepare(folder)
    short = ("--max-iters", 1, "--eval-batches", 1)
    gptcli(folder, "train", "data/input", *PLAIN, *short, "--out", "runs/plain", "-q")
    return folder / "runs/plain"


def print_lecture(config: ModelConfig, peer: Path | None, n_new: int = 1000) -> None:
    """One text that is longer than the context."""
    model = use_fast_layers(new_model(config, 1)).eval()
    contestants: _Contestants = {"gptcli, eager": lambda: _ours(model, n_new)}
    if peer is not None:
        contestants["nanoGPT"] = _nanogpt(config, peer, n_new)
    contestants["transformers"] = _transformers(config, torch.float32, _PROMPT, n_new)
    _print_rates(contestants, rounds=3)
    print(f"  the step compiles in {seconds(lambda: compile_step(model, 1)):.0f} s")
    _print_rates({"gptcli, compiled": lambda: _ours(model, n_new)})


def print_batch(config: ModelConfig, n_new: int = 240, rounds: int = _ROUNDS) -> None:
    """One text and 16 at once, compiled and by transformers, in float32."""
    n_new = min(n_new, config.block_size - _PROMPT)
    model = use_fast_layers(new_model(config, 1)).eval()
    for rows in (1, _SAMPLES):
        compile_step(model, rows)
    one = _transformers(config, torch.float32, _PROMPT, n_new)
    many = _transformers(config, torch.float32, _PROMPT, n_new, num_samples=_SAMPLES)
    names = ("gptcli, one text", f"gptcli, {_SAMPLES} texts")
    rates = _print_rates(
        {
            names[0]: lambda: _ours(model, n_new),
            "transformers, one text": one,
            names[1]: lambda: _SAMPLES * _ours(model, n_new, num_samples=_SAMPLES),
            f"transformers, {_SAMPLES} texts": lambda: _SAMPLES * many(),
        },
        rounds,
    )
    for who, ours in (("one text", names[0]), (f"{_SAMPLES} texts", names[1])):
        print(f"  {who}: {rates[ours] / rates[f'transformers, {who}']:.2f}x transformers")
    print(f"  {_SAMPLES} texts: {rates[names[1]] / rates[names[0]]:.2f}x one text")


def print_beside_memory(
    config: ModelConfig, folder: Path, n_prompt: int = 64, n_new: int = 256, rounds: int = _ROUNDS
) -> None:
    """One text in each precision, and the share of the memory's rate that its weights take."""
    for name, dtype in _DTYPES:
        model = use_fast_layers(new_model(config, 1)).eval().to(dtype)
        eager = {f"gptcli eager, {name}": lambda model=model: _ours(model, n_new, n_prompt)}
        _print_rates(eager, rounds=min(3, rounds))  # type: ignore[arg-type]
        theirs = {"transformers": _transformers(config, dtype, n_prompt, n_new)}
        kind = {"float32": "F32", "bfloat16": "BF16"}[name]
        _print_beside(name, model, theirs, kind, folder, n_prompt, n_new, rounds)
    model = quantize(use_fast_layers(new_model(config, 1)).eval()).to(torch.bfloat16)
    _print_beside("int8", model, {}, "Q8_0", folder, n_prompt, n_new, rounds)


def _print_beside(
    name: str, model: GPT, world: _Contestants, kind: str, folder: Path,
    n_prompt: int, n_new: int, rounds: int,
) -> None:  # fmt: skip
    compile_step(model, 1)
    contestants = {"gptcli compiled": lambda: _ours(model, n_new, n_prompt), **world}
    is_gpt2 = family_of(model.config).name == "gpt2"
    theirs = llama_cpp(model.config, kind, folder, n_prompt, n_new) if is_gpt2 else None
    if theirs is not None:
        contestants["llama.cpp"] = theirs
    memory = memory_rate()
    rates = _print_rates({f"{who}, {name}": write for who, write in contestants.items()}, rounds)
    memory += memory_rate()
    read = bytes_per_token(model) * rates[f"gptcli compiled, {name}"]
    share = 100 * read / statistics.median(memory)
    print(
        f"  its weights: {read / 1e9:.1f} GB/s, {share:.0f} % of the memory's "
        f"{spread([rate / 1e9 for rate in memory], unit=' GB/s')}"
    )


def bytes_per_token(model: GPT) -> int:
    """Bytes of all weights that every token is multiplied by; tables are looked up."""
    tables = _LOOKED_UP[1:] if model.config.tied else _LOOKED_UP
    tensors = (*model.named_parameters(), *model.named_buffers())
    return sum(value.nbytes for name, value in tensors if name not in tables)


def _ours(model: GPT, n_new: int, n_prompt: int = _PROMPT, num_samples: int = 1) -> int:
    config = SamplingConfig(max_new_tokens=n_new, num_samples=num_samples)
    decoder = Decoder(model, num_samples, "cpu")
    for _ in generate(decoder, [list(range(n_prompt))] * num_samples, config):
        pass
    return n_new


def _nanogpt(config: ModelConfig, peer: Path, n_new: int) -> Callable[[], int]:
    with _importing_from(peer):
        theirs = importlib.import_module("model")
    names = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size")
    sizes = {name: getattr(config, name) for name in names}
    model = theirs.GPT(theirs.GPTConfig(**sizes, dropout=0.0, bias=True)).eval()
    prompt = torch.arange(_PROMPT)[None]

    def write() -> int:
        model.generate(prompt, n_new)
        return n_new

    return write


def _transformers(
    config: ModelConfig, dtype: torch.dtype, n_prompt: int, n_new: int, num_samples: int = 1
) -> Callable[[], int]:
    """The same model in transformers; the lecture's, which it does not know, as a GPT-2."""
    from transformers import AutoConfig, AutoModelForCausalLM

    if not family_of(config).is_known_to_transformers:
        sizes = (config.n_layer, config.n_head, config.n_embd, config.block_size)
        config = ModelConfig(*sizes, vocab_size=config.vocab_size)
    longest = max(config.block_size, n_prompt + n_new)
    fields = model_config_json(replace(config, block_size=longest))
    fields |= {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "dtype": dtype}
    made = AutoConfig.for_model(fields.pop("model_type"), **fields)
    model = AutoModelForCausalLM.from_config(made).eval().to(dtype)
    prompt = torch.arange(n_prompt).expand(num_samples, -1)

    @torch.inference_mode()
    def write() -> int:
        how = {"do_sample": True, "top_k": 0, "attention_mask": torch.ones_like(prompt)}
        model.generate(prompt, min_new_tokens=n_new, max_new_tokens=n_new, **how)
        return n_new

    return write


def _print_rates(contestants: _Contestants, rounds: int = _ROUNDS) -> dict[str, float]:
    """Print tokens per second of all, in turn; returns the medians."""
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, write in contestants.items():
            started = time.perf_counter()
            n_tokens = write()
            if number:
                rates[name].append(n_tokens / (time.perf_counter() - started))
    for name, values in rates.items():
        print(f"  {name:<28}{spread(values, unit=' tokens/s')}", flush=True)
    return {name: statistics.median(values) for name, values in rates.items()}


def seconds(action: Callable[[], object]) -> float:
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
    prepare(folder)
    short = ("--max-iters", 1, "--eval-batches", 1, "--out", "runs/first", "--overwrite", "-q")
    gptcli(folder, "train", "data/input", "--preset", "lecture", *short)
    command = [sys.executable, "-m", "gptcli", "sample", str(folder / "runs/first")]
    commands = {
        "gptcli sample -n 1": [*command, "-n", "1", "-q"],
        "import torch": [sys.executable, "-c", "import torch"],
    }
    print_title("to the first token, whole process")
    for name, values in time_in_turn(commands, _ROUNDS).items():
        print(f"  {name:<28}{spread(values, 1000, ' ms')}")
