"""``--config FILE.toml``: values for flags that the command line does not give."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

from gptcli.errors import UsageError
from gptcli.runtime.files import read_bounded


def read_config_file(context: typer.Context, path: Path | None) -> Path | None:
    """Make the file's values the defaults of this call; flags still win."""
    if path is None or context.resilient_parsing:
        return path
    known = _flags(context)
    given = _read(path)
    values = {key.replace("-", "_"): value for key, value in given.items()}
    if len(values) < len(given):
        _refuse_twice(path, given)
    for name, value in values.items():
        _check(name, value, known, path)
    context.default_map = {known[name]: value for name, value in values.items()}
    return path


def _flags(context: typer.Context) -> dict[str, str]:
    """The name of every flag, as written in a file, and the parameter that it sets."""
    return {
        option.lstrip("-").replace("-", "_"): parameter.name or ""
        for parameter in context.command.params
        for option in parameter.opts
        if parameter.param_type_name == "option" and parameter.name not in ("config", "help")
    }


def _refuse_twice(path: Path, keys: Iterable[str]) -> None:
    """Raise UsageError for two keys, as n_layer and n-layer, that set the same flag."""
    first: dict[str, str] = {}
    for key in keys:
        if (before := first.setdefault(key.replace("-", "_"), key)) != key:
            lines = path.read_text("utf-8").splitlines()
            begins = [line.partition("=")[0].strip().strip("\"'") for line in lines]
            place = f", line {begins.index(key) + 1}" if key in begins else ""
            raise UsageError(f"{path}{place}: {before} and {key} are one flag: leave one out")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_bounded(path).decode("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"--config {path} does not exist") from None
    except OSError as error:
        raise UsageError(f"--config {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors alike
        raise UsageError(f"--config {path} is not valid TOML: {error}") from error


def _check(name: str, value: object, known: Mapping[str, str], path: Path) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "see gptcli train --help"
        raise UsageError(f"{path}: {name} is not a flag of this command: {hint}")
    if not isinstance(value, str | int | float | bool):
        raise UsageError(f"{path}: {name} must be a single value, not {value!r}")
