"""The flags of ``train`` that shape the model, and how a flag with a chosen value is declared."""

from dataclasses import dataclass
from typing import Any

from gptcli.commands.options import option
from gptcli.commands.train.objective_flags import ObjectiveFlags
from gptcli.config.model import ACTIVATIONS, NORMS, POSITIONS, ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.families.registry import FAMILIES, TRAINABLE
from gptcli.training.defaults import FILLED
from gptcli.training.recipe import BEST_FAMILY, CLASSIC_FAMILY

MODEL = "Model"


def _default(name: str) -> str:
    """The default in the configuration, for the help, unless it depends on the device."""
    for config in (ModelConfig, TrainConfig):
        default = getattr(config, name, None)  # dataclass defaults are class attributes
        if default is not None and name not in FILLED:
            if any(default != FAMILIES[one].switches.get(name, default) for one in TRAINABLE):
                return " (default: the family's)"
            return f" (default: {str(default).lower() if isinstance(default, bool) else default})"
    return ""


def filled(name: str, panel: str, about: str, *names: str, choices: tuple[str, ...] = ()) -> Any:
    """A flag of the model or the training, for which ``train`` chooses a value if needed."""
    return option(about + _default(name), *names, panel=panel, choices=choices)


@dataclass(frozen=True)
class ModelFlags(ObjectiveFlags):
    """The family of the model, its sizes and its parts."""

    family: str | None = option(
        f"Kind of model. Default: {BEST_FAMILY} on a CPU, and on CUDA with --time-budget; else "
        f"{CLASSIC_FAMILY}, or the first that can have the other flags.",
        panel=MODEL,
        choices=TRAINABLE,
    )
    n_layer: int | None = filled("n_layer", MODEL, "Number of transformer blocks.")
    n_head: int | None = filled("n_head", MODEL, "Attention heads in each block.")
    n_kv_head: int | None = filled(
        "n_kv_head",
        MODEL,
        "Key and value heads per block; fewer than --n-head is grouped-query attention. Default: "
        "--n-head.",
    )
    n_embd: int | None = filled("n_embd", MODEL, "Width of the residual stream.")
    head_dim: int | None = filled(
        "head_dim", MODEL, "Width of each attention head. Default: --n-embd / --n-head."
    )
    n_inner: int | None = filled(
        "n_inner",
        MODEL,
        "Width inside the MLP. Default: 4 times --n-embd, two thirds of that if gated.",
    )
    block_size: int | None = filled("block_size", MODEL, "Context length in tokens.")
    dropout: float | None = filled("dropout", MODEL, "Dropout probability in attention and MLP.")
    positions: str | None = filled(
        "positions",
        MODEL,
        "How positions are encoded: as learned vectors, by rotary turns, or not at all.",
        choices=POSITIONS,
    )
    norm: str | None = filled(
        "norm",
        MODEL,
        "Norm before each part of a block; plain_rms is rms without a gain.",
        choices=NORMS,
    )
    qk_norm: bool | None = filled(
        "qk_norm",
        MODEL,
        "Whether the query and key of each head are normalised.",
        "--qk-norm/--no-qk-norm",
    )
    gated: bool | None = filled(
        "gated",
        MODEL,
        "Whether the MLP multiplies its activation by a second hidden layer, as SwiGLU does.",
        "--gated/--no-gated",
    )
    activation: str | None = filled(
        "activation",
        MODEL,
        f"Activation of the MLP: {', '.join(ACTIVATIONS)}.",
        choices=ACTIVATIONS,
    )
    bias: bool | None = filled(
        "bias", MODEL, "Whether linear layers and norms have biases.", "--bias/--no-bias"
    )
    tied: bool | None = filled(
        "tied",
        MODEL,
        "Whether token embedding and output layer share their weights.",
        "--tied/--untied",
    )
