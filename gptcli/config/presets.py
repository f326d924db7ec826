"""The models that have a name."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gptcli.config.families import FAMILIES
from gptcli.config.lecture import LECTURE_PRESETS
from gptcli.config.model import ModelConfig
from gptcli.config.preset import Preset
from gptcli.config.rope import RopeScaling
from gptcli.errors import UsageError

GPT2_VOCAB = 50257
_LLAMA3_VOCAB = 128256
_QWEN3_VOCAB = 151936


def _gpt(n_layer: int, n_head: int, n_embd: int, block_size: int) -> ModelConfig:
    return ModelConfig(
        n_layer=n_layer,
        n_head=n_head,
        n_embd=n_embd,
        block_size=block_size,
        vocab_size=GPT2_VOCAB,
    )


def _rotary(
    family: str, sizes: tuple[int, int, int, int, int], vocab_size: int, **more: object
) -> ModelConfig:
    """``sizes``: layers, heads, key/value heads, width, width of the MLP."""
    names = ("n_layer", "n_head", "n_kv_head", "n_embd", "n_inner")
    shape = dict(zip(names, sizes, strict=True))
    switches = {**FAMILIES[family].switches, **more}
    return ModelConfig.from_fields({**shape, **switches, "vocab_size": vocab_size})


def _llama3(
    n_layer: int, n_head: int, n_embd: int, n_inner: int, chunk: float = 0.0, tied: bool = False
) -> ModelConfig:
    """Eight key/value heads; 3.1 and later chunk 8,192 tokens to 131,072."""
    return _rotary(
        "llama",
        (n_layer, n_head, 8, n_embd, n_inner),
        _LLAMA3_VOCAB,
        block_size=131072 if chunk else 8192,
        rope_theta=500_000.0,
        rope_scaling=RopeScaling(chunk, 1.0, 4.0, 8192) if chunk else None,
        tied=tied,
    )


def _qwen3(n_layer: int, n_head: int, n_embd: int, n_inner: int, tied: bool = False) -> ModelConfig:
    return _rotary(
        "qwen3",
        (n_layer, n_head, 8, n_embd, n_inner),
        _QWEN3_VOCAB,
        head_dim=128,
        block_size=40960,
        rope_theta=1_000_000.0,
        tied=tied,
    )


_PUBLISHED = {
    "gpt2": Preset(_gpt(12, 12, 768, 1024), "GPT-2, 124M"),
    "gpt2-medium": Preset(_gpt(24, 16, 1024, 1024), "GPT-2, 355M"),
    "gpt2-large": Preset(_gpt(36, 20, 1280, 1024), "GPT-2, 774M"),
    "gpt2-xl": Preset(_gpt(48, 25, 1600, 1024), "GPT-2, 1.56B"),
    "gpt3-small": Preset(_gpt(12, 12, 768, 2048), "GPT-3 paper, table 2.1"),
    "gpt3-medium": Preset(_gpt(24, 16, 1024, 2048), "GPT-3 paper, table 2.1"),
    "gpt3-large": Preset(_gpt(24, 16, 1536, 2048), "GPT-3 paper, table 2.1"),
    "gpt3-xl": Preset(
        _gpt(24, 16, 2048, 2048),
        "GPT-3 paper, table 2.1 (prints 24 heads of 128, which is not 2,048: 16 here)",
    ),
    "gpt3-2.7b": Preset(_gpt(32, 32, 2560, 2048), "GPT-3 paper, table 2.1"),
    "gpt3-6.7b": Preset(_gpt(32, 32, 4096, 2048), "GPT-3 paper, table 2.1"),
    "gpt3-13b": Preset(
        _gpt(40, 40, 5120, 2048),
        "GPT-3 paper, table 2.1 (prints 5,140 wide, which is not 40 heads of 128: 5,120 here)",
    ),
    "gpt3": Preset(_gpt(96, 96, 12288, 2048), "GPT-3, 175B"),
    "llama3-8b": Preset(_llama3(32, 32, 4096, 14336), "Llama 3, 8.0B"),
    "llama3-70b": Preset(_llama3(80, 64, 8192, 28672), "Llama 3, 71B"),
    "llama3.1-405b": Preset(_llama3(126, 128, 16384, 53248, 8.0), "Llama 3.1, 406B"),
    "llama3.2-1b": Preset(_llama3(16, 32, 2048, 8192, 32.0, tied=True), "Llama 3.2, 1.2B"),
    "llama3.2-3b": Preset(_llama3(28, 24, 3072, 8192, 32.0, tied=True), "Llama 3.2, 3.2B"),
    "qwen3-0.6b": Preset(_qwen3(28, 16, 1024, 3072, tied=True), "Qwen3, 0.6B"),
    "qwen3-1.7b": Preset(_qwen3(28, 16, 2048, 6144, tied=True), "Qwen3, 1.7B"),
    "qwen3-4b": Preset(_qwen3(36, 32, 2560, 9728, tied=True), "Qwen3, 4.0B"),
    "qwen3-8b": Preset(_qwen3(36, 32, 4096, 12288), "Qwen3, 8.2B"),
    "qwen3-14b": Preset(_qwen3(40, 40, 5120, 17408), "Qwen3, 14.8B"),
    "mistral-7b-v0.3": Preset(
        _rotary(
            "llama",
            (32, 32, 8, 4096, 14336),
            32768,
            block_size=32768,
            rope_theta=1_000_000.0,
        ),
        "Mistral 7B v0.3, built as a Llama is",
    ),
    "tinyllama-1.1b": Preset(
        _rotary("llama", (22, 32, 4, 2048, 5632), 32000, block_size=2048), "TinyLlama, 1.1B"
    ),
    "smollm2-135m": Preset(
        _rotary(
            "llama",
            (30, 9, 3, 576, 1536),
            49152,
            block_size=8192,
            rope_theta=100_000.0,
            tied=True,
        ),
        "SmolLM2, 135M",
    ),
}

_SMALL_CPU = Preset(
    replace(_gpt(4, 4, 128, 64), vocab_size=65),
    "nanoGPT's advice for a CPU: 4 layers, 128 wide, minutes on a laptop",
    MappingProxyType({"batch_size": 12, "max_iters": 2000}),
)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {**LECTURE_PRESETS, "small-cpu": _SMALL_CPU, **_PUBLISHED}
)


def find_preset(name: str) -> Preset:
    """The preset of that name; an unknown one is a UsageError with the nearest names."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name.lower(), PRESETS, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(PRESETS)}"
    raise UsageError(f"--preset {name} is unknown: {hint}")
