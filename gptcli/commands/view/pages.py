"""Self-contained HTML pages: no script, no font, no network."""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from gptcli.runtime.escapes import visible

if TYPE_CHECKING:  # jinja2 is needed for pages alone
    from jinja2 import Environment


def render_page(package: str, template: str, **values: Any) -> str:
    """Render a template of ``package``, which extends the frame in page.html.

    All values are escaped.
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

    return Environment(loader=FunctionLoader(load), autoescape=True, undefined=StrictUndefined)
