"""The flags of ``train`` that shape the model and its training; unset, they are filled in."""

from typing import Annotated, Any

import typer

from gptcli.config.checks import flag
from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.families.registry import FAMILIES, TRAINABLE
from gptcli.training.defaults import FILLED, USUAL_FAMILY

_MODEL = "Model"
_LENGTH = "Length, batches and evaluation"
_OPTIMIZER = "Optimizer"

_TABLE: tuple[tuple[str, type, str, str], ...] = (
    ("family", str, _MODEL, f"{', '.join(TRAINABLE)}. Default: {USUAL_FAMILY}."),
    ("n_layer", int, _MODEL, "Blocks."),
    ("n_head", int, _MODEL, "Attention heads per block."),
    ("n_kv_head", int, _MODEL, "Heads of keys and values. Default: --n-head."),
    ("n_embd", int, _MODEL, "Width of the residual stream."),
    ("head_dim", int, _MODEL, "Width of a head. Default: --n-embd / --n-head."),
    ("n_inner", int, _MODEL, "Width of the MLP. Default: 4 times --n-embd, gated 2/3 of that."),
    ("block_size", int, _MODEL, "Context in tokens."),
    ("dropout", float, _MODEL, "Dropout on attention and MLP."),
    ("activation", str, _MODEL, "gelu_tanh, gelu, relu, relu_squared or silu."),
    ("bias", bool, _MODEL, "Biases in blocks and norms."),
    ("tied", bool, _MODEL, "The head shares the embedding's weights."),
    ("batch_size", int, _LENGTH, "Rows per micro-batch."),
    ("grad_accum", int, _LENGTH, "Micro-batches per step."),
    ("max_iters", int, _LENGTH, "Optimizer steps."),
    ("eval_interval", int, _LENGTH, "Steps between evaluations, each followed by a save."),
    ("eval_batches", int, _LENGTH, "Cap an evaluation. Default: the whole split."),
    ("order", str, _LENGTH, "shuffled (each token once an epoch) or random."),
    ("seed", int, _LENGTH, "Of weights, order and dropout."),
    ("lr", float, _OPTIMIZER, "Learning rate after the warm-up."),
    ("min_lr", float, _OPTIMIZER, "Rate at the end of the cosine. Default: lr / 10."),
    ("warmup_iters", int, _OPTIMIZER, "Steps of linear warm-up."),
    ("weight_decay", float, _OPTIMIZER, "AdamW's decay, of matrices only."),
    ("beta1", float, _OPTIMIZER, "AdamW's first moment."),
    ("beta2", float, _OPTIMIZER, "AdamW's second moment."),
    ("grad_clip", float, _OPTIMIZER, "Largest gradient norm, 0 for none."),
)

_BOOLEANS = {"bias": "--bias/--no-bias", "tied": "--tied/--untied"}


def train_flags() -> dict[str, Any]:
    """Name -> annotation of every flag, for ``with_options``."""
    return {name: _annotation(name, kind, panel, text) for name, kind, panel, text in _TABLE}


def _annotation(name: str, kind: Any, panel: str, text: str) -> Any:
    text = f"{text}{_default(name)}"
    option = typer.Option(
        _BOOLEANS.get(name, flag(name)), help=text, rich_help_panel=panel, show_default=False
    )
    return Annotated[kind | None, option]


def _default(name: str) -> str:
    """What the configuration says where it does not depend on the device."""
    for config in (ModelConfig, TrainConfig):
        default = getattr(config, name, None)  # dataclass defaults are class attributes
        if default is not None and name not in FILLED:
            if any(default != FAMILIES[one].switches.get(name, default) for one in TRAINABLE):
                return " (default: the family's)"
            return f" (default: {str(default).lower() if isinstance(default, bool) else default})"
    return ""
