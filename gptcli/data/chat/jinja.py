"""Rendering a chat template, which may be a stranger's, in Jinja's sandbox."""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from gptcli.data.chat.spelling import HIDDEN
from gptcli.errors import CheckpointError, DataError, reason_of

if TYPE_CHECKING:  # jinja2 is needed for chats and pages alone
    from jinja2 import Template, nodes
    from jinja2.parser import Parser
    from jinja2.runtime import Context
    from jinja2.sandbox import SandboxedEnvironment

# Noncharacters of Unicode, which no text has, as HIDDEN is: around what the assistant says.
GENERATION_START, GENERATION_END = "\ufdd0", "\ufdd1"
MARKS = (GENERATION_START, GENERATION_END, HIDDEN)
_LONGEST = 2**24  # characters of one conversation
_LARGEST_EXPONENT = 64
_LARGEST_FACTOR = 2**1024
_MOST_WORK = 2**20  # steps of one conversation
_LONGEST_TIME = 60.0  # seconds for it, since what a step does may be slow
_CHARACTERS = 64  # that are written or joined cost as much as a step
_WATCHED = " watched"  # a filter whose name no template can write
_TOO_LONG = f"the chat template writes more than {_LONGEST // 2**20} MiB for one conversation"


class _Work(threading.local):
    """What this thread's conversation may still cost, in steps, and until when."""

    left = 0
    end = 0.0


_work = _Work()


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
    _work.left, _work.end = _MOST_WORK, time.monotonic() + _LONGEST_TIME
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


@lru_cache(maxsize=16)
def _compiled(template: str) -> "Template":
    from jinja2.exceptions import TemplateSyntaxError

    if mark := next((mark for mark in MARKS if mark in template), None):
        raise CheckpointError(
            f"the chat template has the character U+{ord(mark):04X}, which no text has: leave it "
            "out"
        )
    environment = _environment()
    try:
        return environment.from_string(_watched(environment.parse(template)))
    except TemplateSyntaxError as error:
        raise CheckpointError(
            f"the chat template does not parse, line {error.lineno}: {reason_of(error)}"
        ) from None
    except SyntaxError as error:  # of the Python that Jinja makes of it
        raise CheckpointError(f"the chat template does not parse: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise CheckpointError("the chat template is too deeply nested to be read") from None


@lru_cache(maxsize=1)
def _environment() -> "SandboxedEnvironment":
    from jinja2 import nodes, pass_context
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
    del made.globals["lipsum"], made.filters["random"]  # ids must not depend on chance
    made.filters[_WATCHED] = pass_context(_charged)
    made.globals["raise_exception"] = _raise_exception
    made.filters["tojson"] = _to_json
    return made


def _watched(template: "nodes.Template") -> "nodes.Template":
    """The template with a charge for each step of a loop, call of a macro, and text that it makes.

    So one that never ends, or fills the memory, is stopped also where it writes nothing.
    """
    from jinja2 import nodes
    from jinja2.visitor import NodeTransformer

    def watched(value: nodes.Node) -> nodes.Expr:
        if isinstance(value, nodes.TemplateData):  # each step pays for those in it
            return value
        return nodes.Filter(value, _WATCHED, [], [], None, None, lineno=value.lineno)

    class Watching(NodeTransformer):
        def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802
            self.generic_visit(node)
            node.nodes = [
                one if isinstance(one, nodes.TemplateData) else watched(one)
                for one in node.nodes  # what the template itself writes each step pays for
            ]
            return node

        def sum_of_texts(self, node: nodes.Expr) -> nodes.Node:
            self.generic_visit(node)
            return watched(node)

        def repeated(self, node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
            written = "".join(one.data for one in node.find_all(nodes.TemplateData))
            self.generic_visit(node)
            paid = watched(nodes.Const(written, lineno=node.lineno))
            if isinstance(node, nodes.For) and node.test is not None:  # it passes over steps
                node.test = watched(node.test)
            node.body.insert(0, nodes.ExprStmt(paid, lineno=node.lineno))
            return node

        visit_Concat = visit_Add = sum_of_texts  # noqa: N815
        visit_For = visit_Macro = visit_CallBlock = repeated  # noqa: N815

    found: nodes.Template = Watching().visit(template)
    return found


def _charged(_: "Context", value: Any) -> Any:
    """The value, once it is paid for."""
    size = len(value) if isinstance(value, (str, list, tuple)) else 0
    _work.left = left = _work.left - 1 - size // _CHARACTERS
    if left < 0 or time.monotonic() > _work.end:
        raise CheckpointError(
            "the chat template does not end, or takes far too long for one conversation: correct it"
        )
    return value


def _product(left: Any, right: Any) -> Any:
    """A product, unless it would fill the memory."""
    for text, times in ((left, right), (right, left)):
        is_repeated = isinstance(text, str | list | tuple) and isinstance(times, int)
        if is_repeated and len(text) * times > _LONGEST:
            raise CheckpointError(f"{_TOO_LONG}: correct it")
    if isinstance(left, int) and isinstance(right, int) and abs(left) > _LARGEST_FACTOR:
        raise CheckpointError("the chat template multiplies numbers without end: correct it")
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
