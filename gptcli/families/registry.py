"""All families, and the family to which a configuration belongs.

Every file of this folder that has a FAMILY adds one; no list has to be kept.
"""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from gptcli.config.checks import flag_with
from gptcli.config.model import ModelConfig
from gptcli.errors import UsageError
from gptcli.families.family import Family, Preset
from gptcli.families.lecture import CONFIG_FIELDS as OWN_FIELDS
from gptcli.families.preset_files import PresetFiles


def _families() -> list[Family]:
    """The FAMILY of every file of this folder, by rank."""
    files = Path(__file__).parent.glob("[!_]*.py")
    modules = [
        import_module(f"{__package__}.{file.stem}") for file in files if file.stem != "registry"
    ]
    found: list[Family] = [module.FAMILY for module in modules if hasattr(module, "FAMILY")]
    return sorted(found, key=lambda family: family.rank)


FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in _families()})

CUSTOM = Family(
    name="gptcli-custom",
    rank=len(FAMILIES),
    switches=MappingProxyType({}),
    free=tuple(field.name for field in fields(ModelConfig)),
    config_fields=OWN_FIELDS,
)
"""The family of all other models, in which every switch is free."""

TRAINABLE = tuple(name for name, one in FAMILIES.items() if one.is_known_to_transformers)
"""The families that transformers can build, which --family offers."""

PRESETS: Mapping[str, Preset] = PresetFiles(Path(__file__).parent / "presets", FAMILIES)
"""The models that have a name, the lecture's first."""

_RETIRED = MappingProxyType(
    {"small-cpu": "leave --preset out, and gptcli train chooses a model that suits a CPU"}
)
"""Names of former presets, and what to do instead."""


def family_of(config: ModelConfig) -> Family:
    """The first family that the configuration is a member of, else CUSTOM."""
    return next((one for one in FAMILIES.values() if one.has_member(config)), CUSTOM)


def model_type_of(config: ModelConfig) -> str:
    """The model_type in config.json: the name of the configuration's family."""
    return family_of(config).name


def check_choices(family: Family, given: Mapping[str, object], way: str = "leave it out") -> None:
    """Raise UsageError where a flag in ``given`` changes a switch that the family has fixed."""
    for name, value in given.items():
        if not family.allows(name, value):
            others = [other for other in TRAINABLE if FAMILIES[other].allows(name, value)]
            only = f", only in {' and '.join(others)} models" if others else ""
            shown = flag_with(name, value)
            raise UsageError(f"{shown} cannot be set in a {family.name} model{only}: {way}")


def find_preset(name: str) -> Preset:
    """The preset of that name; an unknown one is a UsageError with the nearest names."""
    if name in PRESETS:
        return PRESETS[name]
    if name in _RETIRED:
        raise UsageError(f"--preset {name} is no longer there: {_RETIRED[name]}")
    near = difflib.get_close_matches(name.lower(), PRESETS, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(PRESETS)}"
    raise UsageError(f"--preset {name} is unknown: {hint}")
