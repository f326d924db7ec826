"""llama.cpp on a model of the same shape with random weights, where llama-cpp-python and gguf
are installed (``pip install llama-cpp-python gguf``; the first is compiled on the spot)."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gptcli.config.model import ModelConfig

_EPSILON = 1e-5


def llama_cpp(
    config: ModelConfig, kind: str, folder: Path, n_prompt: int, n_new: int
) -> Callable[[], int] | None:
    """Writes ``n_new`` tokens; ``kind`` is F32, BF16 or Q8_0. None where it is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("llama_cpp", "gguf")):
        return None
    path, n_threads = folder / f"{kind}.gguf", torch.get_num_threads()
    _write(config, kind, path)
    model = importlib.import_module("llama_cpp").Llama(
        str(path), n_ctx=config.block_size, n_threads=n_threads, n_threads_batch=n_threads,
        verbose=False,
    )  # fmt: skip

    def write() -> int:
        """Without its sampling, of which llama-cpp-python does a part in Python."""
        model.reset()
        model.eval(list(range(n_prompt)))
        for _ in range(n_new):
            model.eval([5])
        return n_new

    return write


def _write(config: ModelConfig, kind: str, path: Path) -> None:
    gguf: Any = importlib.import_module("gguf")
    quantization = gguf.GGMLQuantizationType[kind]
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_context_length(config.block_size)
    writer.add_embedding_length(config.n_embd)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(config.inner_size)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(_EPSILON)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("none")
    for name, values in _tensors(config):
        if values.ndim == 1 or name == "position_embd.weight":
            writer.add_tensor(name, values)
        else:
            data = gguf.quants.quantize(values, quantization)
            writer.add_tensor(name, data, raw_dtype=quantization)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(config: ModelConfig) -> Iterator[tuple[str, NDArray[np.float32]]]:
    generator = np.random.default_rng(1)

    def drawn(*shape: int) -> NDArray[np.float32]:
        return 0.02 * generator.standard_normal(shape, dtype=np.float32)

    C, inner = config.n_embd, config.inner_size
    yield "token_embd.weight", drawn(config.vocab_size, C)
    yield "position_embd.weight", drawn(config.block_size, C)
    yield "output_norm.weight", np.ones(C, dtype=np.float32)
    yield "output_norm.bias", np.zeros(C, dtype=np.float32)
    layers = {
        "attn_qkv": (3 * C, C),
        "attn_output": (C, C),
        "ffn_up": (inner, C),
        "ffn_down": (C, inner),
    }
    for block in range(config.n_layer):
        for norm in ("attn_norm", "ffn_norm"):
            yield f"blk.{block}.{norm}.weight", np.ones(C, dtype=np.float32)
            yield f"blk.{block}.{norm}.bias", np.zeros(C, dtype=np.float32)
        for layer, (n_out, n_in) in layers.items():
            yield f"blk.{block}.{layer}.weight", drawn(n_out, n_in)
            yield f"blk.{block}.{layer}.bias", np.zeros(n_out, dtype=np.float32)
