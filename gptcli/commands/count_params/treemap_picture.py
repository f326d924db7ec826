"""A treemap of where a model's parameters are."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from gptcli.accounting.parameters import is_bias, is_norm
from gptcli.accounting.treemap import Rectangle, grouped_treemap
from gptcli.commands.count_params.account import Account
from gptcli.commands.count_params.count_tables import headline
from gptcli.commands.view.numbers import rounded
from gptcli.commands.view.pictures import INK, PAPER, drawable_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of Okabe and Ito, which colour-blind readers can tell apart; black reads on each.
_COLOURS: Mapping[str, str] = MappingProxyType(
    {"attention": "#56b4e9", "MLP": "#e69f00", "embeddings": "#3fbf98", "the rest": "#c8c8c8"}
)
_REST = "biases, norms"
_WIDTH, _HEIGHT = 100.0, 56.0
_POINTS = 7.2  # per unit of width and height
_LARGEST, _SMALLEST = 9.0, 5.0  # font sizes in points
_NARROW = 40.0  # points; below it the name of a rectangle is written upward
_LETTER = 0.62  # width of a letter relative to its height


def draw_treemap(account: Account) -> "Figure":
    """Draw areas proportional to parameters; biases and norms, which are small, are one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.2), layout="constrained", facecolor="none")
    axes = figure.add_subplot()
    axes.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
    axes.set_axis_off()
    title = f"{headline(account)}\n{account.total:,} parameters"
    axes.set_title(
        drawable_words(title), fontsize=10, loc="left", wrap=True, parse_math=False, color=INK
    )
    groups = _groups(account)
    sizes = {part: list(named.values()) for part, named in groups.items()}
    places = grouped_treemap(sizes, Rectangle(0, 0, _WIDTH, _HEIGHT))
    named = [(part, *row) for part, rows in groups.items() for row in rows.items()]
    for (part, name, size), place in zip(named, places, strict=True):
        _draw(axes, place, _COLOURS[part], name, size, account.total)
    _explain(axes, groups)
    return figure


def _groups(account: Account) -> dict[str, dict[str, int]]:
    """The parameters of each rectangle by its part and name, the largest first."""
    sizes: dict[str, int] = {}
    for row in account.rows:
        name = _REST if is_bias(row.name) or is_norm(row.name) else row.name
        sizes[name] = sizes.get(name, 0) + row.params
    ordered = sorted(sizes.items(), key=lambda item: -item[1])
    groups: dict[str, dict[str, int]] = {}
    for name, size in ordered:
        if size:
            groups.setdefault(_part(name), {})[name] = size
    return dict(sorted(groups.items(), key=lambda item: -sum(item[1].values())))


def _part(name: str) -> str:
    if name in ("query", "key", "value", "output"):
        return "attention"
    if name.endswith("_projection"):
        return "MLP"
    return "the rest" if name == _REST else "embeddings"


def _draw(axes: "Axes", place: Rectangle, colour: str, name: str, size: int, total: int) -> None:
    from matplotlib.patches import Rectangle as Patch

    corner = (place.x, place.y)
    axes.add_patch(Patch(corner, place.width, place.height, facecolor=colour, edgecolor=PAPER))
    is_upright = place.width * _POINTS < _NARROW and place.height > 2 * place.width
    room, depth = place.width * _POINTS, place.height * _POINTS
    room, depth = (depth, room) if is_upright else (room, depth)
    lines = [name.replace("_", " "), f"{rounded(size)}, {size / total:.1%}"]
    if depth < 3 * _LARGEST:
        lines = [", ".join(lines)]
    widest = room / max(map(len, lines)) / _LETTER
    letters = min(_LARGEST, widest, depth / len(lines) / 1.3)
    if letters >= _SMALLEST:
        middle = (place.x + place.width / 2, place.y + place.height / 2)
        turn = 90 if is_upright else 0
        text = "\n".join(lines)
        axes.text(
            *middle,
            text,
            ha="center",
            va="center",
            fontsize=letters,
            rotation=turn,
            color="black",
        )


def _explain(axes: "Axes", parts: Collection[str]) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(color=colour, label=part) for part, colour in _COLOURS.items() if part in parts
    ]
    axes.legend(
        handles=patches,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        ncols=4,
        frameon=False,
        labelcolor=INK,
    )
