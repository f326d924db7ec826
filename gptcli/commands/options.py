"""Flags: a command's request is a frozen dataclass, and every field of it declares one flag.

Type, default, help and choices stand in one place, and so do the rules about which flags go
together. All is checked when the request is made, before anything heavy is imported.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

from gptcli.commands.completion import Offer, models, one_of
from gptcli.commands.view.output import Output
from gptcli.config.checks import check_choice, flag
from gptcli.config.training import DEVICES, check_device
from gptcli.errors import UsageError

_FLAG = "flag"


@dataclass(frozen=True)
class Flag:
    """How a field is written on the command line and described in the help.

    Attributes:
        names: as they are typed; None for the name of the field.
        choices: all allowed values, checked as soon as the request is made.
        check: raises UsageError for a value that is not allowed, where there is no list of all.
        offer: values that the Tab key offers; None for the choices.

    """

    about: str
    names: tuple[str, ...] | None
    panel: str | None
    choices: tuple[str, ...]
    check: Callable[[Any], None] | None
    offer: Offer | None
    is_argument: bool
    more: Mapping[str, Any]


def option(
    about: str,
    *names: str,
    default: Any = None,
    panel: str | None = None,
    choices: tuple[str, ...] = (),
    check: Callable[[Any], None] | None = None,
    offer: Offer | None = None,
    **more: Any,
) -> Any:
    """Declare a field that is an option; ``more`` is passed on to typer."""
    kept = Flag(about, names or None, panel, choices, check, offer, False, MappingProxyType(more))
    return field(default=default, metadata={_FLAG: kept})


def argument(about: str, metavar: str, offer: Offer | None = None) -> Any:
    """Declare a field that is a positional argument, None where it is not given."""
    more = MappingProxyType({"metavar": metavar})
    kept = Flag(about, (metavar,), None, (), None, offer, True, more)
    return field(default=None, metadata={_FLAG: kept})


def checkpoint_argument() -> Any:
    """Declare the argument CHECKPOINT: the model that a command works on."""
    return argument(
        "A run, a saved step of one, a Hugging Face directory or a hub id. Default: the newest "
        "run.",
        "CHECKPOINT",
        offer=models,
    )


def device_option() -> Any:
    """Declare the option --device."""
    about = "Where to compute; cuda:1 is the second GPU."
    shown = "|".join(DEVICES)
    return option(about, default="auto", metavar=shown, check=check_device, offer=one_of(DEVICES))


def changed_data_option(panel: str | None = None) -> Any:
    """Declare the option --allow-changed-data."""
    return option(
        "Use the run's dataset even if it has changed since the run was trained on it.",
        default=False,
        panel=panel,
    )


@dataclass(frozen=True)
class Request:
    """The flags of a command; raises UsageError where they break one of its rules.

    The rules name fields; a field with its default value counts as not given.

    Attributes:
        exclusive: groups of flags of which at most one may be given.
        makes_no_use_of: a flag, and the flags that have no effect together with it.
        alone: a flag, and the only flags of the command that have an effect together with it.
        needs: a flag, and the flags of which one must be given together with it.

    """

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = ()
    makes_no_use_of: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    alone: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})

    def __post_init__(self) -> None:
        self._check_rules()
        self._check_choices()

    def understood(self) -> Self:
        """The request that is meant, where a word was given in another place than its own.

        A note tells what it was taken for; UsageError with the way to write it, if it is unclear.
        """
        return self

    def is_given(self, name: str) -> bool:
        """Whether a field differs from its default."""
        value = getattr(self, name)
        return value != _default_of(type(self), name) and value not in ([], ())

    def given(self, *names: str) -> dict[str, Any]:
        """The values of the given ones among the fields ``names`` (default: all fields)."""
        listed = names or tuple(one.name for one in fields(self))
        return {name: getattr(self, name) for name in listed if self.is_given(name)}

    def _check_choices(self) -> None:
        for one in fields(self):
            value, kept = getattr(self, one.name), flag_of(one)
            if value is None:
                continue
            if kept.choices:
                check_choice(one.name, value, kept.choices)
            if kept.check is not None:
                kept.check(value)

    def _check_rules(self) -> None:
        for group in self.exclusive:
            self._check_exclusive(*group)
        for name, useless in self._useless():
            if self.is_given(name) and self.is_given(useless):
                raise UsageError(
                    f"{_shown(self, useless)} has no effect with {_shown(self, name)}: "
                    "leave one of them out"
                )
        for name, owners in self.needs.items():
            if self.is_given(name) and not any(map(self.is_given, owners)):
                owner = any_of([_shown(self, one) for one in owners])
                raise UsageError(
                    f"{_shown(self, name)} works only with {owner}: give both, or leave it out"
                )

    def _check_exclusive(self, *names: str) -> None:
        """Raise UsageError where more than one of these flags is given."""
        if len(given := [_shown(self, name) for name in names if self.is_given(name)]) > 1:
            raise UsageError(f"{given[0]} and {given[1]} cannot be combined: leave one out")

    def _useless(self) -> Iterator[tuple[str, str]]:
        """Pairs of a flag and another that has no effect together with it."""
        for name, others in self.makes_no_use_of.items():
            yield from ((name, other) for other in others)
        for name, allowed in self.alone.items():
            own = own_names(type(self))
            yield from ((name, other) for other in own if other not in (name, *allowed))


def own_names(request: type[Request], panel: str | None = None) -> list[str]:
    """The fields that a command itself declares, all or those in one panel of its help."""
    inherited = {one.name for base in request.__mro__[1:] if base in _BASES for one in fields(base)}
    return [
        one.name
        for one in fields(request)
        if one.name not in inherited and panel in (None, flag_of(one).panel)
    ]


@dataclass(frozen=True)
class FormatRequest(Request):
    """A request whose answer comes in several formats, of which the first is the default.

    Attributes:
        formats: the formats of the usual answer.
        formats_with: a flag that asks for another answer, and the formats of that one.
        short_forms: a flag that is short for a format, and the format.
        only_in: a flag, and the formats in which alone it has an effect.

    """

    formats: ClassVar[tuple[str, ...]] = ("table", "json", "md", "csv")
    formats_with: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    short_forms: ClassVar[Mapping[str, str]] = MappingProxyType({"json_output": "json"})

    only_in: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})

    form: str | None = option("", "--format", metavar="FORMAT")
    json_output: bool = option("Short for --format json.", "--json", default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        first, second, *_ = [*self._asked_forms, None, None]
        if second and len(set(self._asked_forms.values())) > 1:
            raise UsageError(f"{first} and {second} cannot be combined: leave one out")
        form, owner = self.chosen_form, self._owner
        others = [name for name, formats in self.formats_with.items() if form in formats]
        if others and owner is None and form not in self.formats:
            if rival := self._rival_of(others):
                known = ", ".join(self.formats)
                raise UsageError(f"{first} is not for {rival}: choose one of {known}")
            owners = any_of([*map(flag, others)])
            raise UsageError(f"{first} works only with {owners}: give both, or leave it out")
        if form not in self._formats:
            why = "is unknown" if owner is None else f"is not for {flag(owner)}"
            way = f"choose one of {', '.join(self._formats)}"
            if first and first.startswith("--out"):
                why = f"names a format, {form}, that is not written here"
                way += ", or give --format"
            raise UsageError(f"{first} {why}: {way}")
        for name, useful in self.only_in.items():
            if form not in useful and self.is_given(name):
                raise UsageError(
                    f"{_shown(self, name)} works only with --format {any_of(useful)}: "
                    "give both, or leave it out"
                )

    def is_given(self, name: str) -> bool:
        """Whether a field differs from its default; ``--format json`` also gives ``--json``."""
        short = self.short_forms.get(name)
        return super().is_given(name) or (short is not None and short in self._named_forms.values())

    @property
    def output(self) -> Output:
        """How the answer is written: in the chosen format, to stdout."""
        return Output(self.chosen_form)

    @property
    def chosen_form(self) -> str:
        """The format that the user chose, else the first one."""
        return next(iter(self._asked_forms.values()), self._formats[0])

    @property
    def _asked_forms(self) -> dict[str, str]:
        """The formats that the user gave, by the flag as it is written on the command line."""
        short = {
            _shown(self, name): form
            for name, form in self.short_forms.items()
            if Request.is_given(self, name)
        }
        return {**short, **self._named_forms}

    @property
    def _named_forms(self) -> dict[str, str]:
        """The formats that are given by name, by the flag that names them."""
        return {} if self.form is None else {f"--format {self.form}": self.form}

    def _rival_of(self, names: Sequence[str]) -> str | None:
        """A given flag that cannot be combined with any of the flags ``names``, if there is one."""
        for group in self.exclusive:
            if set(names) <= set(group):
                return next((flag(one) for one in group if self.is_given(one)), None)
        return None

    @property
    def _owner(self) -> str | None:
        """The given flag that asks for another answer than the usual one, if any."""
        return next(filter(self.is_given, self.formats_with), None)

    @property
    def _formats(self) -> tuple[str, ...]:
        """The formats of the answer that is asked for."""
        return self.formats if self._owner is None else self.formats_with[self._owner]


@dataclass(frozen=True)
class OutputRequest(FormatRequest):
    """A request whose answer may go to a file, whose suffix then names the format."""

    out: Path | None = option(
        "Write to this file instead of stdout, in the format that its suffix names."
    )
    overwrite: bool = option("Replace --out if it exists.", default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.output.check()

    @property
    def output(self) -> Output:
        """How and where the answer is written."""
        return Output(self.chosen_form, self.out, self.overwrite)

    @property
    def is_free_text(self) -> bool:
        """Whether the usual answer is a text of any kind, so that most suffixes name no format."""
        return False

    @property
    def _named_forms(self) -> dict[str, str]:
        """The format of --format, and the one that the suffix of --out names.

        With --format, a suffix that is no format's is any name.
        """
        given = super()._named_forms
        suffix = "" if self.out is None else self.out.suffix.lower().removeprefix(".")
        known = self.formats if self.is_free_text else _SUFFIXES
        if suffix in ("", "txt", "text") or (suffix not in known and (given or self.is_free_text)):
            return given
        return {**given, f"--out {self.out}": suffix}


_SUFFIXES = ("json", "jsonl", "csv", "md", "html", "svg", "png", "npz")  # of formats, named alike
_BASES = (FormatRequest, OutputRequest)


def any_of(names: Sequence[str]) -> str:
    """``a, b or c``."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def flag_of(one: Field[Any]) -> Flag:
    """The declaration of a request's field."""
    kept = one.metadata[_FLAG]
    assert isinstance(kept, Flag)
    return kept


def _default_of(request: type[Request], name: str) -> object:
    default = request.__dataclass_fields__[name].default
    assert default is not MISSING, "every flag may be left out"
    return default


def _shown(request: Request, name: str) -> str:
    """A field as it is written on the command line: ``--no-stream`` if ``stream`` is false."""
    kept = flag_of(request.__dataclass_fields__[name])
    if not kept.names:
        return flag(name)
    yes, _, no = kept.names[0].partition("/")
    return no if no and getattr(request, name) is False else yes
