"""The flags of ``count-params``: which model, its sizes, what it is to do, what to show."""

from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from gptcli.config.checks import flag

FORMATS = ("table", "json", "csv", "md", "svg")
ACCOUNTINGS = ("exact", "3b1b")
_WHICH, _SIZE, _WORK, _SHOW = "Which model", "Change it", "What it is to do", "What to show"

_TABLE: tuple[tuple[str, Any, str, str], ...] = (
    ("preset", str, _WHICH, "A named model, such as gpt2 or gpt3."),
    ("checkpoint", Path, _WHICH, "A run, Hugging Face directory or hub id. Default: newest run."),
    ("model_config", Path, _WHICH, "A config.json."),
    ("diff", tuple[str, str], _WHICH, "Compare two: presets, runs or config.json files."),
    ("list_presets", bool, _WHICH, "List the named models."),
    ("n_layer", int, _SIZE, "Blocks."),
    ("n_head", int, _SIZE, "Attention heads per block."),
    ("n_kv_head", int, _SIZE, "Heads of keys and values."),
    ("n_embd", int, _SIZE, "Width of the residual stream."),
    ("head_dim", int, _SIZE, "Width of a head."),
    ("n_inner", int, _SIZE, "Width of the MLP."),
    ("block_size", int, _SIZE, "Context in tokens."),
    ("vocab_size", int, _SIZE, "Tokens in the vocabulary."),
    ("dropout", float, _SIZE, "Dropout in training."),
    ("tied", bool, _SIZE, "Whether token embedding and unembedding are one."),
    ("context", str, _WORK, "Costs at these lengths: 1k,2k,8k, where 1k is 1,024."),
    ("batch", int, _WORK, "Sequences at once. Default: 1."),
    (
        "dtype",
        str,
        _WORK,
        "Of weights and cache in generation: float32 (as gptcli sample), bfloat16, float16 or "
        "int8. Default: the checkpoint's, else bfloat16.",
    ),
    ("precision", str, _WORK, "Of training: float32 (default) or bfloat16 products."),
    ("train_tokens", str, _WORK, "Compute to train on so many tokens: 300B."),
    ("device_flops", str, _WORK, "Operations a second that the device sustains: 150T."),
    ("gpu_mem", str, _WORK, "Whether it fits into this memory: 24GB, 80GiB."),
    ("accounting", str, _SHOW, "exact (default), or 3b1b: as chapter 6 of 3Blue1Brown's series."),
    ("explain", bool, _SHOW, "Why 124M, 163M and 117M are all called GPT-2."),
    ("verify", bool, _SHOW, "Build the model with torch, without its memory, and compare rows."),
    ("format", str, _SHOW, "table (default), json, csv (one table), md or svg (a picture)."),
)
_NAMES = MappingProxyType({"tied": "--tied/--untied"})

SIZES = tuple(name for name, _, panel, _ in _TABLE if panel == _SIZE)
WORK = tuple(name for name, _, panel, _ in _TABLE if panel == _WORK)


def params_flags() -> dict[str, Any]:
    """Name -> annotation of every flag, for ``with_options``."""
    return {row[0]: _annotation(*row) for row in _TABLE}


def _annotation(name: str, kind: Any, panel: str, text: str) -> Any:
    option = typer.Option(
        _NAMES.get(name, flag(name)),
        help=text,
        rich_help_panel=panel,
        show_default=False,
        metavar="A B" if name == "diff" else None,
    )
    return Annotated[kind | None, option]
