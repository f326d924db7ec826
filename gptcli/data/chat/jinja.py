"""Rendering a chat template, which may be a stranger's, in Jinja's sandbox."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from gptcli.data.chat.spelling import HIDDEN
from gptcli.errors import CheckpointError, DataError, reason_of

if TYPE_CHECKING:  # jinja2 is needed for chats and pages alone
    from jinja2 import Template, nodes
    from jinja2.parser import Parser
    from jinja2.sandbox import SandboxedEnvironment

# Noncharacters of Unicode, which no text has, as HIDDEN is: around what the assistant says.
GENERATION_START, GENERATION_END = "\ufdd0", "\ufdd1"
MARKS = (GENERATION_START, GENERATION_END, HIDDEN)
_LONGEST = 2**24  # characters of one conversation
_LARGEST_EXPONENT = 64
_TOO_LONG = f"the chat template writes more than {_LONGEST // 2**20} MiB for one conversation"


def rendered(
    template: str, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool
) -> str:
    """The output of a template, with marks around its generation blocks.

    Raises CheckpointError where it does not parse, breaks out of the sandbox or does not end,
    DataError with the template's own words where it refuses the messages.
    """
    compiled = _compiled(template)
    from jinja2.exceptions import SecurityError

    pieces: list[str] = []
    length = 0
    try:
        for piece in compiled.generate(
            messages=messages,
            add_generation_prompt=add_generation_prompt,
            tools=None,
            documents=None,
        ):
            pieces.append(piece)
            length += len(piece)
            if length > _LONGEST:
                raise CheckpointError(f"{_TOO_LONG}: correct it")
    except CheckpointError:
        raise
    except (SecurityError, MemoryError, RecursionError) as error:
        raise CheckpointError(
            f"the chat template does what none may do ({reason_of(error)}): take another"
        ) from None
    except Exception as error:  # its own words, or what one of its expressions cannot do
        raise DataError(f"the chat template refuses it: {reason_of(error)}") from None
    return "".join(pieces)


def check_template(template: str) -> None:
    """Raise CheckpointError, with the line, where a template does not parse."""
    _compiled(template)


@lru_cache(maxsize=16)
def _compiled(template: str) -> "Template":
    from jinja2.exceptions import TemplateSyntaxError

    if mark := next((mark for mark in MARKS if mark in template), None):
        raise CheckpointError(
            f"the chat template has the character U+{ord(mark):04X}, which no text has: leave it "
            "out"
        )
    try:
        return _environment().from_string(template)
    except TemplateSyntaxError as error:
        raise CheckpointError(
            f"the chat template does not parse, line {error.lineno}: {reason_of(error)}"
        ) from None
    except (RecursionError, MemoryError):
        raise CheckpointError("the chat template is too deeply nested to be read") from None


@lru_cache(maxsize=1)
def _environment() -> "SandboxedEnvironment":
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class GenerationBlock(Extension):
        """``{% generation %}`` and ``{% endgeneration %}``, which become marks in the output."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: "Parser") -> "list[nodes.Node]":
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            start, end = (
                nodes.Output([nodes.TemplateData(mark)], lineno=line)
                for mark in (GENERATION_START, GENERATION_END)
            )
            return [start, nodes.Scope(body, lineno=line), end]

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[GenerationBlock, "jinja2.ext.loopcontrols"],
    )
    made.intercepted_binops = frozenset({"*", "**"})
    made.binop_table = {**made.binop_table, "*": _product, "**": _power}
    made.globals["raise_exception"] = _raise_exception
    made.filters["tojson"] = _to_json
    return made


def _product(left: Any, right: Any) -> Any:
    """A product, unless it would fill the memory."""
    for text, times in ((left, right), (right, left)):
        is_repeated = isinstance(text, str | list | tuple) and isinstance(times, int)
        if is_repeated and len(text) * times > _LONGEST:
            raise CheckpointError(f"{_TOO_LONG}: correct it")
    return left * right


def _power(left: Any, right: Any) -> Any:
    if right > _LARGEST_EXPONENT:
        raise CheckpointError(f"the chat template has the exponent {right!r:.20}: correct it")
    return left**right


def _raise_exception(message: object) -> NoReturn:
    from jinja2.exceptions import TemplateError

    raise TemplateError(str(message))


def _to_json(
    value: Any,
    indent: int | None = None,
    ensure_ascii: bool = False,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """A value as JSON; Jinja's own filter would escape what HTML has a meaning for."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
