"""The description of a family of models: its switches, its files, and a preset of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from gptcli.config.model import ModelConfig

# Every model of every family chooses these.
_SIZES = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size", "dropout")


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class TrainedResult:
    """The validation loss that training a preset ended at, and on what: data, machine, time."""

    val_loss: float
    on: str


@dataclass(frozen=True)
class Preset:
    """A named model, a line about it, its own training values, and what came of them.

    ``family`` is empty where the model is that of a checkpoint.
    """

    model: ModelConfig
    about: str
    training: Mapping[str, Any] = field(default_factory=_nothing)
    family: str = ""
    measured: TrainedResult | None = None

    @property
    def summary(self) -> str:
        """The line about it, with what training it came to where that was measured."""
        if self.measured is None:
            return self.about
        return f"{self.about}; val loss {self.measured.val_loss:g} ({self.measured.on})"


@dataclass(frozen=True)
class FieldConverter:
    """Converts fields of config.json that do not correspond to one field of ModelConfig each.

    ``covers`` are the fields of ModelConfig that they hold. ``read`` takes the whole
    config.json and raises UsageError for what our model does not support.
    """

    covers: tuple[str, ...]
    write: Callable[[ModelConfig], dict[str, Any]]
    read: Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class ConfigFields:
    """How a family's config.json represents a ModelConfig.

    ``names``: Hugging Face's field -> ours. ``defaults``: the values of fields that a file may
    leave out, as in transformers; all others are required. ``fixed``: options of transformers
    that our model does not support, with the only value accepted. ``constants`` are written
    and not read. ``architecture`` is transformers' class, None where it has none, and
    ``scorer`` that of a reward model.
    """

    architecture: str | None
    names: Mapping[str, str]
    defaults: Mapping[str, Any]
    fixed: Mapping[str, Any] = field(default_factory=_nothing)
    constants: Mapping[str, Any] = field(default_factory=_nothing)
    converter: FieldConverter | None = None
    scorer: str | None = None

    @property
    def covered(self) -> frozenset[str]:
        """The fields of ModelConfig that have a name in this config.json."""
        return frozenset(self.names.values()).union(self.converter.covers if self.converter else ())


@dataclass(frozen=True)
class TensorNames:
    """How a family's model.safetensors names and lays out the parameters.

    - ``replacements``: (ours, theirs), applied to a parameter's name one after another.
    - ``splits_attention``: query, key and value are three matrices, not one.
    - ``transposes_blocks``: matrices within blocks are stored as (inputs, outputs).
    - ``always``: switches that are on in the files of every model; parameters that the model
      itself lacks are zeros there.
    - ``optional_prefix``: a prefix of names that some files leave out.
    - ``ignored``: endings of the names of tensors that are not weights.
    """

    replacements: tuple[tuple[str, str], ...] = ()
    splits_attention: bool = False
    transposes_blocks: bool = False
    always: Mapping[str, Any] = field(default_factory=_nothing)
    optional_prefix: str = ""
    ignored: tuple[str, ...] = ()

    def rename(self, name: str) -> str:
        """The family's name for a parameter of ours."""
        for ours, theirs in self.replacements:
            name = name.replace(ours, theirs)
        return name


@dataclass(frozen=True)
class Family:
    """A family of models; ``name`` is its model_type in config.json.

    ``switches`` are the values that differ from ModelConfig's defaults. A model of the family
    may change only the switches that are ``free``. ``rank`` orders the families in lists, and a
    model that could belong to several belongs to the first.
    """

    name: str
    rank: int
    switches: Mapping[str, object]
    free: tuple[str, ...]
    config_fields: ConfigFields
    tensors: TensorNames = field(default_factory=TensorNames)

    @property
    def is_known_to_transformers(self) -> bool:
        """Whether transformers can build models of the family."""
        return self.config_fields.architecture is not None

    def may_choose(self, name: str) -> bool:
        """Whether a model of the family may have another value of this field."""
        if name == "score" and self.config_fields.scorer:
            return True
        return name in self.free or name in _SIZES

    def usual(self, name: str) -> object:
        """The value of a switch in every model of the family that does not choose another."""
        return self.switches.get(name, getattr(ModelConfig, name, None))

    def allows(self, name: str, value: object) -> bool:
        """Whether a model of the family may have this value in a field of ModelConfig."""
        return self.may_choose(name) or value == self.usual(name)

    def has_member(self, config: ModelConfig) -> bool:
        """Whether the configuration keeps every value that the family has fixed."""
        return all(self.allows(one.name, getattr(config, one.name)) for one in fields(config))
