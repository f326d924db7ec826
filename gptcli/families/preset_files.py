"""The presets: a TOML file each in the folder presets, read when somebody asks for it.

about = "a line about the model"
family = "gpt2"

[model]         # fields of ModelConfig that differ from the family's
[training]      # fields of TrainConfig; the others are chosen as for any run
[measured]      # where we have trained it: val_loss and on, which names data, machine and time
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gptcli.config.model import ModelConfig
from gptcli.config.toml_file import TomlFile
from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.families.family import Family, Preset, TrainedResult
from gptcli.families.shapes import parameters

# The tables of a file and the keys of each; "" is the part before the first table.
_KNOWN: Mapping[str, Collection[str]] = MappingProxyType(
    {
        "": ("about", "family", "model", "training", "measured"),
        "model": [field.name for field in fields(ModelConfig)],
        "training": [field.name for field in fields(TrainConfig)],
        "measured": [field.name for field in fields(TrainedResult)],
    }
)


class PresetFiles(Mapping[str, Preset]):
    """The presets in a folder by name, the lecture's first, then by family and size."""

    def __init__(self, folder: Path, families: Mapping[str, Family]) -> None:
        self._folder = folder
        self._families = families
        self._read: dict[str, Preset] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> Preset:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            path = self._folder / f"{name}.toml"
            self._read[name] = read_preset(path, self._families)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names, key=self._rank))

    def __len__(self) -> int:
        return len(self._names)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(path.stem for path in self._folder.glob("*.toml"))

    def _rank(self, name: str) -> tuple[bool, int, str, int, str]:
        """Families that transformers lacks come first; gpt3-small after all of gpt2."""
        preset = self[name]
        family, series = self._families[preset.family], name.partition("-")[0]
        size = sum(parameter.size for parameter in parameters(preset.model))
        return family.is_known_to_transformers, family.rank, series, size, name


def read_preset(path: Path, families: Mapping[str, Family]) -> Preset:
    """Read a preset file; UsageError names the file, and the line of a key that is unknown."""
    file = TomlFile.parse(path, path.read_bytes())
    for table, known in _KNOWN.items():
        values = file.values.get(table, {}) if table else file.values
        for key in values:
            if key not in known:
                what = f"a value of [{table}]" if table else "a part of a preset"
                raise file.unknown(key, known, what, table)
    family = file.values.get("family", "")
    if family not in families:
        raise UsageError(
            f"{file.place('family')}: family {family!r:.40} is unknown: choose one of "
            f"{', '.join(families)}"
        )
    try:
        return _preset(file.values, families[family])
    except (UsageError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a preset: {error}") from error


def _preset(values: Mapping[str, Any], family: Family) -> Preset:
    measured = values.get("measured")
    return Preset(
        ModelConfig.from_fields({**family.switches, **values["model"]}),
        values["about"],
        MappingProxyType(values.get("training", {})),
        family.name,
        TrainedResult(**measured) if measured else None,
    )
