"""Self-contained HTML pages: no font, no network, and at most one script, which is their own."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from gptcli.runtime.escapes import visible

if TYPE_CHECKING:  # jinja2 is needed for pages alone
    from jinja2 import Environment

_ESCAPED = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}


def render_page(package: str, template: str, **values: Any) -> str:
    """Render a template of ``package``, which extends the frame in page.html.

    All values are escaped; ``value|json|safe`` writes one as JSON into a script that holds data.
    """
    return _environment(package).get_template(template).render(**values)


def visible_words(text: str) -> str:
    """A name on one line, with invisible characters made visible, except for spaces."""
    return " ".join(map(visible, text.split(" ")))


@cache
def _environment(package: str) -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def load(name: str) -> str:
        place = files("gptcli.commands.view" if name == "page.html" else package)
        return place.joinpath(name).read_text("utf-8")

    environment = Environment(
        loader=FunctionLoader(load), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"source": _source, "json": _json}
    return environment


def _source(content: str) -> str:
    """A style or script by its hash, as a Content-Security-Policy allows it."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(value: object) -> str:
    """JSON that cannot end the script it stands in: ASCII alone, and <, > and & escaped."""
    written = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return written.translate(_ESCAPED)
