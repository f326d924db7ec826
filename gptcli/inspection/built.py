"""Compares the counted parameters with those of a model that torch builds."""

from dataclasses import dataclass

from gptcli.accounting.parameters import Row, rows_of
from gptcli.config.model import ModelConfig
from gptcli.families.shapes import Parameter
from gptcli.model.initialization import shape_of_model


@dataclass(frozen=True)
class Disagreement:
    """A row that differs between count and built model; None where it is missing."""

    name: str
    counted: Row | None
    built: Row | None


def disagreements(config: ModelConfig, counted: tuple[Row, ...]) -> list[Disagreement]:
    """The rows that differ from the model that torch builds, without memory for its weights."""
    built = {row.name: row for row in built_rows(config)}
    claimed = {row.name: row for row in counted if row.copies}
    return [
        Disagreement(name, claimed.get(name), built.get(name))
        for name in {**claimed, **built}
        if claimed.get(name) != built.get(name)
    ]


def built_rows(config: ModelConfig) -> tuple[Row, ...]:
    """One row per kind of parameter of the built model, all layers together."""
    model = shape_of_model(config)
    found = (Parameter(name, tuple(one.shape)) for name, one in model.named_parameters())
    return rows_of(found, config)
