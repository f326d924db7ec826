"""config.json in both directions: Hugging Face's field names outside, ModelConfig inside."""

import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gptcli.config.model import INIT_STD, ModelConfig
from gptcli.errors import CheckpointError, UsageError
from gptcli.families.family import Family
from gptcli.families.registry import CUSTOM, FAMILIES, family_of
from gptcli.runtime.files import parse_object, read_bounded

CONFIG_FILE = "config.json"
_OWN = "gptcli"
_FLAG = re.compile(r"--([a-z][a-z-]*)")
_KNOWN = {**FAMILIES, CUSTOM.name: CUSTOM}
# Ours -> transformers'.
_ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {
        "gelu_tanh": "gelu_new",
        "gelu": "gelu",
        "relu": "relu",
        "relu_squared": "relu2",
        "silu": "silu",
    }
)
_SCORER = "ForSequenceClassification"
# transformers takes a model for one of two classes where they are left out.
_LABELS = {"id2label": {"0": "reward"}, "label2id": {"reward": 0}}
_OTHER_NAMES = {"gelu_pytorch_tanh": "gelu_new"}


def model_config_json(config: ModelConfig) -> dict[str, Any]:
    """The config.json of a model; values that its family has no field for are under "gptcli"."""
    family = family_of(config)
    table = family.config_fields
    values = {**config.whole(), "activation": _ACTIVATIONS[config.activation]}
    own = {name: asdict(config)[name] for name in _own_fields(family)}
    if not config.score:
        own.pop("score", None)
    return {
        "architectures": [(table.scorer if config.score else table.architecture) or "GPT"],
        **(_LABELS if config.score else {}),
        "model_type": family.name,
        **{theirs: values[ours] for theirs, ours in table.names.items()},
        **table.fixed,
        **table.constants,
        **(table.converter.write(config) if table.converter else {}),
        "initializer_range": INIT_STD,
        "bos_token_id": None,
        "eos_token_id": None,
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


def omission_notes(path: Path) -> tuple[str, ...]:
    """A line about the fields that a config.json leaves out; their values are the family's.

    Left out of it are those that follow from others, and those that transformers often omits:
    whether the head is tied, and dropout, which a trained model does not use.
    """
    file = path / CONFIG_FILE if path.is_dir() else path
    raw = read_small_json(file)
    nested = [value for value in raw.values() if isinstance(value, dict)]
    table = _KNOWN[raw["model_type"]].config_fields
    omitted = [
        f"{name} {value}"
        for name, value in table.defaults.items()
        if value is not None
        and table.names.get(name) not in ("tied", "dropout")
        and not any(name in one for one in (raw, *nested))
    ]
    taken = f"the defaults of {raw['model_type']} in transformers"
    return (f"{file} leaves out fields, so {taken} are used: {', '.join(omitted)}",) * bool(omitted)


def read_small_json(file: Path) -> dict[str, Any]:
    """Read a JSON object from a file that should be small."""
    try:
        return parse_object(read_bounded(file))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{file} does not exist: is this a model directory?") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{file} cannot be used: {error}") from error


def _parse(raw: dict[str, Any]) -> ModelConfig:
    name = raw.get("model_type")
    if not isinstance(name, str) or name not in _KNOWN:
        raise UsageError(
            f"model_type {name!r:.40} is not a family that gptcli knows ({', '.join(_KNOWN)})"
        )
    family = _KNOWN[name]
    _check_fixed(raw, family)
    converter = family.config_fields.converter
    try:
        converted = converter.read({**family.config_fields.defaults, **raw}) if converter else {}
        values = {**family.switches, **_named_values(raw, family), **converted, **_own_values(raw)}
        if _is_scorer(raw):
            values |= {"score": True, "tied": False}
        config = ModelConfig.from_fields(values)
    except UsageError as error:
        raise UsageError(_in_their_names(str(error), family)) from None
    if (actual := family_of(config)) is not family:
        raise UsageError(f"its values describe a {actual.name} model, not a {name} one")
    return config


def _in_their_names(message: str, family: Family) -> str:
    """A message about the values of a model with config.json's names instead of flags."""
    theirs = {ours: name for name, ours in family.config_fields.names.items()}

    def named(match: re.Match[str]) -> str:
        name = match[1].replace("-", "_")
        return theirs.get(name, name)

    return _FLAG.sub(named, message)


def _check_fixed(raw: Mapping[str, Any], family: Family) -> None:
    for name, value in family.config_fields.fixed.items():
        if raw.get(name, value) != value:
            raise UsageError(f"{name} {raw[name]!r:.40} is not supported, only {value}")
    kinds = raw.get("layer_types") or []
    if not isinstance(kinds, list) or any(kind != "full_attention" for kind in kinds):
        raise UsageError("layer_types is not supported, only full_attention")


def _named_values(raw: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """The values of the fields that the family has names for, by ModelConfig's names."""
    table = family.config_fields
    given = {**table.defaults, **raw}
    for name in table.names:
        if name not in given:
            raise UsageError(f'"{name}" is missing')
    values = {ours: given[theirs] for theirs, ours in table.names.items()}
    if not isinstance(values["tied"], bool):
        raise UsageError(f"tie_word_embeddings must be true or false, not {values['tied']!r:.40}")
    if "activation" in values:
        values["activation"] = _activation(values["activation"])
    return values


def _is_scorer(raw: Mapping[str, Any]) -> bool:
    """Whether the model has a score in place of logits; UsageError where it has several."""
    classes = raw.get("architectures")
    if not isinstance(classes, list) or not any(str(one).endswith(_SCORER) for one in classes):
        return False
    labels = raw.get("id2label")
    count = len(labels) if isinstance(labels, dict) else raw.get("num_labels", 2)
    if count != 1:
        raise UsageError(f"its {count!s:.20} labels make it a classifier, not a reward model")
    return True


def _activation(name: object) -> str:
    if isinstance(name, str):
        name = _OTHER_NAMES.get(name, name)
    for ours, theirs in _ACTIVATIONS.items():
        if theirs == name:
            return ours
    raise UsageError(f"activation_function {name!r:.40} is not supported")


def _own_values(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The values under "gptcli", by the names of ModelConfig's fields."""
    own = raw.get(_OWN) or {}
    if not isinstance(own, dict):
        raise UsageError(f'"{_OWN}" must be an object')
    return own


def _own_fields(family: Family) -> list[str]:
    """The fields of ModelConfig that a model may choose and config.json has no name for.

    Whether it has a score is told by its class, where transformers has one.
    """
    return [
        field.name
        for field in fields(ModelConfig)
        if field.name not in family.config_fields.covered
        and not (field.name == "score" and family.config_fields.scorer)
        and (not family.is_known_to_transformers or family.may_choose(field.name))
    ]
