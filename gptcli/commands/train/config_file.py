"""``--config FILE.toml``: values for flags that the command line does not give."""

from collections.abc import Mapping
from pathlib import Path

import typer

from gptcli.config.toml_file import TomlFile
from gptcli.errors import UsageError
from gptcli.runtime.files import read_bounded


def read_config_file(context: typer.Context, path: Path | None) -> Path | None:
    """Make the file's values the defaults of this call; flags still win."""
    if path is None or context.resilient_parsing:
        return path
    known = _flags(context)
    file = _read(path)
    first: dict[str, str] = {}
    for key, value in file.values.items():
        _check(key, value, known, file)
        if (before := first.setdefault(key.replace("-", "_"), key)) != key:
            raise UsageError(
                f"{file.place(key)}: {before} and {key} are one flag: leave one of them out"
            )
    context.default_map = {known[name]: _spelt(file.values[key]) for name, key in first.items()}
    return path


def _spelt(value: object) -> str:
    """A value as on the command line, where 2.5 and true are no whole numbers."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flags(context: typer.Context) -> dict[str, str]:
    """The name of every flag, as written in a file, and the parameter that it sets."""
    return {
        option.lstrip("-").replace("-", "_"): parameter.name or ""
        for parameter in context.command.params
        for option in parameter.opts
        if parameter.param_type_name == "option" and parameter.name not in ("config", "help")
    }


def _read(path: Path) -> TomlFile:
    try:
        return TomlFile.parse(path, read_bounded(path))
    except FileNotFoundError:
        raise UsageError(f"--config {path} does not exist") from None
    except OSError as error:
        raise UsageError(f"--config {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--config {path} cannot be read: {error}") from error


def _check(key: str, value: object, known: Mapping[str, str], file: TomlFile) -> None:
    """Raise UsageError unless this is a flag of the command with a single value."""
    if isinstance(value, dict):
        raise UsageError(
            f"{file.place(key)}: [{key}] is a table, and a file of flags has none: write its "
            "lines without the table"
        )
    if key.replace("-", "_") not in known:
        raise file.unknown(key, known, "a flag of gptcli train")
    if not isinstance(value, str | int | float | bool):
        raise UsageError(f"{file.place(key)}: {key} must be a single value, not {value!r:.60}")
