"""config.json in both directions: Hugging Face's field names outside, ModelConfig inside."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from gptcli.checkpoint.config_fields import (
    ACTIVATIONS,
    ARCHITECTURES,
    FIELDS,
    FIXED,
    OPTIONAL,
    read_rope,
    write_rope,
)
from gptcli.config.families import FAMILIES
from gptcli.config.model import INIT_STD, ModelConfig
from gptcli.errors import CheckpointError, UsageError
from gptcli.runtime.small_files import parse_object, read_bounded

CONFIG_FILE = "config.json"
_OWN = "gptcli"
_GPT2S_OTHER_NAME = {"gelu_pytorch_tanh": "gelu_new"}


def model_config_json(config: ModelConfig, end_of_text: int | None = None) -> dict[str, Any]:
    """The config.json of a model; what its family has no field for stands under "gptcli"."""
    family = config.model_type
    values = {**config.whole(), "activation": ACTIVATIONS[config.activation]}
    own = {name: asdict(config)[name] for name in _own_fields(family)}
    return {
        "architectures": [ARCHITECTURES.get(family, "GPT")],
        "model_type": family,
        **{theirs: values[ours] for theirs, ours in FIELDS[family].items()},
        **FIXED.get(family, {}),
        **(write_rope(config) if _has_rope_fields(family) else {"embd_pdrop": 0.0}),
        "initializer_range": INIT_STD,
        "bos_token_id": None,
        "eos_token_id": end_of_text,
        "pad_token_id": None,
        "dtype": "float32",
        **({_OWN: own} if own else {}),
    }


def read_model_config(path: Path) -> ModelConfig:
    """The ModelConfig of a config.json, or of the directory that holds one.

    Raises UsageError where there is none, CheckpointError where it cannot be used.
    """
    file = path / CONFIG_FILE if path.is_dir() else path
    raw = read_small_json(file)
    try:
        return _parse(raw)
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


def _parse(raw: dict[str, Any]) -> ModelConfig:
    family = raw.get("model_type")
    if not isinstance(family, str) or family not in FIELDS:
        raise UsageError(
            f"model_type {family!r:.40} is not a family that gptcli knows ({', '.join(FIELDS)})"
        )
    _check_fixed(raw, family)
    switches = FAMILIES[family].switches if family in FAMILIES else {}
    rope = read_rope(raw) if _has_rope_fields(family) else {}
    values = {**switches, **_family_values(raw, family), **rope, **_own_values(raw)}
    config = ModelConfig.from_fields(values)
    if config.model_type != family:
        raise UsageError(f"its values are not those of a {family} model but of {config.model_type}")
    return config


def _check_fixed(raw: Mapping[str, Any], family: str) -> None:
    for name, value in FIXED.get(family, {}).items():
        if raw.get(name, value) != value:
            raise UsageError(f"{name} {raw[name]!r:.40} is not supported, only {value}")
    kinds = raw.get("layer_types") or []
    if not isinstance(kinds, list) or any(kind != "full_attention" for kind in kinds):
        raise UsageError("layer_types is not supported, only full_attention")


def _family_values(raw: Mapping[str, Any], family: str) -> dict[str, Any]:
    """Those of ModelConfig's fields that the family has names for, by ours."""
    given = {**OPTIONAL[family], **raw}
    for name in FIELDS[family]:
        if name not in given:
            raise UsageError(f'"{name}" is missing')
    values = {ours: given[theirs] for theirs, ours in FIELDS[family].items()}
    if not isinstance(values["tied"], bool):
        raise UsageError(f"tie_word_embeddings must be true or false, not {values['tied']!r:.40}")
    if "activation" in values:
        values["activation"] = _activation(values["activation"])
    return values


def _activation(name: object) -> str:
    if isinstance(name, str):
        name = _GPT2S_OTHER_NAME.get(name, name)
    for ours, theirs in ACTIVATIONS.items():
        if theirs == name:
            return ours
    raise UsageError(f"activation_function {name!r:.40} is not known")


def _own_values(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What stands under "gptcli", by the names of ModelConfig."""
    own = raw.get(_OWN) or {}
    if not isinstance(own, dict):
        raise UsageError(f'"{_OWN}" must be an object')
    return own


def _own_fields(family: str) -> list[str]:
    """ModelConfig's fields that a member of the family chooses and config.json has no name for."""
    covered = set(FIELDS[family].values())
    if _has_rope_fields(family):
        covered |= {"rope_theta", "rope_scaling"}
    is_ours = family not in ARCHITECTURES
    return [
        field.name
        for field in fields(ModelConfig)
        if field.name not in covered and (is_ours or FAMILIES[family].may_choose(field.name))
    ]


def _has_rope_fields(family: str) -> bool:
    return family in FAMILIES and FAMILIES[family].switches.get("positions") == "rotary"
