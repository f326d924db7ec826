"""``gptcli train``: trains a model on a dataset and writes a run."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gptcli.commands.options import FormatRequest, device_option, option, own_names
from gptcli.commands.train.config_file import read_config_file
from gptcli.commands.view.answer import Answer
from gptcli.config.checks import flag
from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.families.registry import FAMILIES, TRAINABLE
from gptcli.training.defaults import FILLED, USUAL_FAMILY

_MODEL = "Model"
_LENGTH = "Length, batches and evaluation"
_OPTIMIZER = "Optimizer"
_MAY_CHANGE = ("resume", "data", "max_iters", "config")  # what a config file says is checked, too


def _default(name: str) -> str:
    """The default in the configuration, for the help, unless it depends on the device."""
    for config in (ModelConfig, TrainConfig):
        default = getattr(config, name, None)  # dataclass defaults are class attributes
        if default is not None and name not in FILLED:
            if any(default != FAMILIES[one].switches.get(name, default) for one in TRAINABLE):
                return " (default: the family's)"
            return f" (default: {str(default).lower() if isinstance(default, bool) else default})"
    return ""


def _filled(name: str, panel: str, about: str, *names: str) -> Any:
    """A flag of the model or the training, for which ``train`` chooses a value if needed."""
    return option(about + _default(name), *names, panel=panel)


@dataclass(frozen=True)
class TrainRequest(FormatRequest):
    """A new run, a run to resume, or the list of presets."""

    exclusive = (("preset", "init_from"),)
    alone = MappingProxyType({"list_presets": ("device", "precision", "config")})

    data: Path | None = option("Dataset directory. Default: the newest.")
    out: Path | None = option("Run directory. Default: runs/DATASET.")
    overwrite: bool = option("Replace the run at --out or the default name.", default=False)
    preset: str | None = option("A model by name, such as lecture or gpt2.")
    list_presets: bool = option(
        "List the presets, and what it costs to train them here.", default=False
    )
    init_from: Path | None = option(
        "Begin with the weights of a run, a Hugging Face directory or hub id.",
        metavar="CHECKPOINT",
    )
    config: Path | None = option(
        "A file with values for any of these flags; the command line wins.",
        metavar="FILE.toml",
        is_eager=True,
        callback=read_config_file,
    )
    resume: Path | None = option(
        "Continue a run as it was; only --max-iters may grow.", metavar="RUN"
    )
    device: str = device_option()
    precision: str = option("auto, float32 or bfloat16.", default="auto")

    family: str | None = option(f"{', '.join(TRAINABLE)}. Default: {USUAL_FAMILY}.", panel=_MODEL)
    n_layer: int | None = _filled("n_layer", _MODEL, "Blocks.")
    n_head: int | None = _filled("n_head", _MODEL, "Attention heads per block.")
    n_kv_head: int | None = _filled(
        "n_kv_head", _MODEL, "Heads of keys and values. Default: --n-head."
    )
    n_embd: int | None = _filled("n_embd", _MODEL, "Width of the residual stream.")
    head_dim: int | None = _filled(
        "head_dim", _MODEL, "Width of a head. Default: --n-embd / --n-head."
    )
    n_inner: int | None = _filled(
        "n_inner", _MODEL, "Width of the MLP. Default: 4 times --n-embd, gated 2/3 of that."
    )
    block_size: int | None = _filled("block_size", _MODEL, "Context in tokens.")
    dropout: float | None = _filled("dropout", _MODEL, "Dropout on attention and MLP.")
    activation: str | None = _filled(
        "activation", _MODEL, "gelu_tanh, gelu, relu, relu_squared or silu."
    )
    bias: bool | None = _filled("bias", _MODEL, "Biases in blocks and norms.", "--bias/--no-bias")
    tied: bool | None = _filled(
        "tied", _MODEL, "The head shares the embedding's weights.", "--tied/--untied"
    )

    batch_size: int | None = _filled("batch_size", _LENGTH, "Rows per micro-batch.")
    grad_accum: int | None = _filled("grad_accum", _LENGTH, "Micro-batches per step.")
    max_iters: int | None = _filled("max_iters", _LENGTH, "Optimizer steps.")
    eval_interval: int | None = _filled(
        "eval_interval", _LENGTH, "Steps between evaluations, each followed by a save."
    )
    eval_batches: int | None = _filled(
        "eval_batches", _LENGTH, "Batches per evaluation. Default: the whole split."
    )
    order: str | None = _filled("order", _LENGTH, "shuffled (each token once an epoch) or random.")
    seed: int | None = _filled("seed", _LENGTH, "Seed of weights, order and dropout.")

    lr: float | None = _filled("lr", _OPTIMIZER, "Learning rate after the warm-up.")
    min_lr: float | None = _filled(
        "min_lr", _OPTIMIZER, "Rate at the end of the cosine. Default: lr / 10."
    )
    warmup_iters: int | None = _filled("warmup_iters", _OPTIMIZER, "Steps of linear warm-up.")
    weight_decay: float | None = _filled(
        "weight_decay", _OPTIMIZER, "AdamW's decay, of matrices only."
    )
    beta1: float | None = _filled("beta1", _OPTIMIZER, "AdamW's first moment.")
    beta2: float | None = _filled("beta2", _OPTIMIZER, "AdamW's second moment.")
    grad_clip: float | None = _filled("grad_clip", _OPTIMIZER, "Largest gradient norm, 0 for none.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resume is None:
            return
        for name in own_names(TrainRequest):
            if name not in _MAY_CHANGE and self.is_given(name):
                raise UsageError(
                    f"{flag(name)} cannot change in a run that is resumed: leave it out "
                    "(only --max-iters may grow)"
                )

    @property
    def shaping(self) -> dict[str, Any]:
        """The given ones among the flags of model and training."""
        return self.given(
            *(
                name
                for panel in (_MODEL, _LENGTH, _OPTIMIZER)
                for name in own_names(TrainRequest, panel)
            )
        )


def train(request: TrainRequest) -> Answer:
    """Train a GPT on a prepared dataset.

    Values that you do not give are chosen for the device and printed: on a GPU the lecture's
    values, on a CPU a run of about ten minutes. Ctrl-C saves the run; --resume continues it.
    """
    from gptcli.commands.train.run import run

    return run(request)
