"""config.json in both directions: Hugging Face's field names outside, ModelConfig inside."""

from pathlib import Path
from typing import Any

from gptcli.config.model import INIT_STD, NORM_EPSILON, ModelConfig
from gptcli.errors import CheckpointError, UsageError
from gptcli.runtime.small_files import parse_object, read_bounded

CONFIG_FILE = "config.json"

_ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu": "gelu", "relu": "relu"}
_ACTIVATION_NAMES = {ours: theirs for theirs, ours in _ACTIVATIONS.items()}
_SIZES = ("n_layer", "n_head", "n_embd", "vocab_size")
_SWITCHES = ("bias", "qkv_bias", "lm_head_bias")

# What GPT-2 in transformers can be told and our model does not do, with the value it has here.
_FIXED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
    "layer_norm_epsilon": NORM_EPSILON,
}
KNOWN_TYPES = ("gpt2", "gptcli-lecture")


def model_config_json(config: ModelConfig) -> dict[str, Any]:
    """The config.json of a model; what is not GPT-2's own stands under "gptcli"."""
    switches = {name: getattr(config, name) for name in _SWITCHES}
    is_gpt2 = config.model_type == "gpt2"
    return {
        "architectures": ["GPT2LMHeadModel"] if is_gpt2 else ["GPT"],
        "model_type": config.model_type,
        "vocab_size": config.vocab_size,
        "n_positions": config.block_size,
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": None,
        "activation_function": _ACTIVATION_NAMES[config.activation],
        "attn_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "embd_pdrop": 0.0,
        "layer_norm_epsilon": NORM_EPSILON,
        "initializer_range": INIT_STD,
        "tie_word_embeddings": config.tied,
        "bos_token_id": None,
        "eos_token_id": None,
        "dtype": "float32",
        "gptcli": switches,
    }


def read_model_config(path: Path) -> ModelConfig:
    """The ModelConfig of a config.json, or of the directory that holds one.

    Raises UsageError where there is none, CheckpointError where it cannot be used.
    """
    file = path / CONFIG_FILE if path.is_dir() else path
    raw = read_small_json(file)
    try:
        return _parse(raw, file)
    except UsageError as error:
        raise CheckpointError(f"{file}: {error}") from error


def read_small_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file that has no reason to be large or deep."""
    try:
        return parse_object(read_bounded(file))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{file} does not exist: is this a model directory?") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{file} cannot be used: {error}") from error


def _parse(raw: dict[str, Any], file: Path) -> ModelConfig:
    _check_family(raw, file)
    own = raw.get("gptcli") or {}
    if not isinstance(own, dict):
        raise CheckpointError(f'{file}: "gptcli" must be an object')
    for name in ("n_positions", *_SIZES):
        if name not in raw:
            raise CheckpointError(f'{file} lacks "{name}"')
    activation = raw.get("activation_function", "gelu_new")
    activation = "gelu_new" if activation == "gelu_pytorch_tanh" else activation
    if not isinstance(activation, str) or activation not in _ACTIVATIONS:
        raise CheckpointError(f"{file}: activation_function {activation!r} is not known")
    return ModelConfig(
        **{name: raw[name] for name in _SIZES},
        block_size=raw["n_positions"],
        dropout=raw.get("resid_pdrop", 0.0),
        activation=_ACTIVATIONS[activation],  # type: ignore[arg-type]
        tied=_boolean(raw, "tie_word_embeddings", True, file),
        bias=_boolean(own, "bias", True, file),
        qkv_bias=_boolean(own, "qkv_bias", True, file),
        lm_head_bias=_boolean(own, "lm_head_bias", False, file),
    )


def _check_family(raw: dict[str, Any], file: Path) -> None:
    model_type = raw.get("model_type")
    if model_type not in KNOWN_TYPES:
        raise CheckpointError(
            f"{file}: model_type {model_type!r} is not a family that gptcli knows "
            f"({', '.join(KNOWN_TYPES)})"
        )
    for name, value in _FIXED.items():
        if raw.get(name, value) != value:
            raise CheckpointError(f"{file}: {name} {raw[name]!r} is not supported, only {value}")
    if raw.get("n_inner") not in (None, _inner(raw)):
        raise CheckpointError(f"{file}: n_inner {raw['n_inner']!r} is not 4 x n_embd")


def _inner(raw: dict[str, Any]) -> int | None:
    width = raw.get("n_embd")
    return 4 * width if isinstance(width, int) else None


def _boolean(raw: dict[str, Any], name: str, default: bool, file: Path) -> bool:
    value = raw.get(name, default)
    if not isinstance(value, bool):
        raise CheckpointError(f"{file}: {name} must be true or false, not {value!r}")
    return value
