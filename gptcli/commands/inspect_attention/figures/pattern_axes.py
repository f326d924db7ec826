"""One head's pattern as a plot: a heatmap, or a grid of dots whose areas are the weights.

T tokens; cells are (T, T), query by key, with NaN where a query may not look.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gptcli.commands.view.canvas import clipped
from gptcli.commands.view.pictures import BLUE, FAINT, INK, ORANGE, drawable, drawable_words
from gptcli.errors import UsageError
from gptcli.inspection.stage_names import DEFAULT_STAGE, SCORES, STAGES, Stage

if TYPE_CHECKING:  # slow, and needed for figures alone
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.path import Path

Cells = NDArray[np.float64]

MOST_DOTS = 64  # tokens; more dots than that are too small to compare
_LETTERS = 14  # of a token's label
_LARGEST, _SMALLEST = 9.0, 5.0  # font sizes in points
_MANY = 40  # tokens, not all of which may have room for a label
_UPRIGHT = 2  # letters of labels that are not turned by a quarter below a pattern
_BESIDE = 6.5  # font size of what stands beside a row
_LINE = 1.25  # distance of labels, in heights of their letters
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # from one label to the next, in tokens
_NAMED, _APART = 2, 2  # larger steps have numbers in place of tokens, twice as far apart
_SHARES = (0, 0.01, 0.1, 0.25, 0.5, 1)
_FULL = 0.94  # diameter of a dot that stands for the largest value, in cells
_INVISIBLE = 0.0005  # of the largest value; no dot is drawn for less


@dataclass(frozen=True)
class Look:
    """How patterns are drawn.

    Attributes:
        stage: what the cells are.
        keys_down: keys are rows and queries columns, as in 3Blue1Brown's chapter.
        in_dots: dots in place of colours.
        is_change: the cells are how much larger a stage is than in another pattern.

    """

    stage: Stage = DEFAULT_STAGE
    keys_down: bool = False
    in_dots: bool = False
    is_change: bool = False

    def check_size(self, n_tokens: int) -> None:
        """UsageError if there are too many tokens for dots."""
        if self.in_dots and n_tokens > MOST_DOTS:
            raise UsageError(
                f"--dots draws at most {MOST_DOTS} tokens, and these are {n_tokens}: leave it out, "
                f"or choose some by --window 0:{MOST_DOTS}"
            )

    @property
    def are_shares(self) -> bool:
        """Whether the cells are shares of a query's attention, so that 1 is the largest possible.

        The sum of a row is smaller where some of its keys are not shown.
        """
        return self.stage in ("softmax", "rollout") and not self.is_change

    @property
    def is_signed(self) -> bool:
        """Whether the cells may be negative."""
        return self.is_change or self.stage in SCORES

    @property
    def name(self) -> str:
        """What the numbers are."""
        return "change of " * self.is_change + STAGES[self.stage].partition(",")[0]

    def reading(self, cells: Cells, cell: int) -> list[str]:
        """How to read the plot: what is down, what is across, what is masked, what sums to 1."""
        down, across = ("Keys", "queries") if self.keys_down else ("Queries", "keys")
        said = [f"{down} down, {across} across."]
        if cell > 1:
            said.append(f"Each cell is {cell} by {cell} tokens.")
        if not np.isfinite(cells).all():
            said.append(f"Hatched: masked{', minus infinity' * (self.stage == 'masked')}.")
        if self.are_shares and np.allclose(np.nansum(cells, axis=1), 1, atol=1e-3):
            said.append(f"Each {'column' if self.keys_down else 'row'} sums to 1.")
        if self.in_dots:
            most = "1" if self.are_shares else "the largest"
            said.append(f"A dot's area: {self.name}; {most} fills the cell.")
        if self.is_signed:
            said.append("Blue is below 0, orange above.")
        return said


@dataclass(frozen=True)
class Places:
    """The tokens of a pattern's rows and columns, or the first tokens of its pooled cells.

    They are every ``cell``-th token of the text, from token ``first`` on.
    """

    tokens: Sequence[str]
    first: int = 0
    cell: int = 1

    def labels(self, step: int) -> list[str]:
        """Every ``step``-th token, with its number where some are left out, or that alone."""
        numbered = list(enumerate(self.tokens))[::step]
        if step > _NAMED or self.cell > 1:
            return [f"{self.first + place * self.cell:,}" for place, _ in numbered]
        names = [(place, clipped(drawable(token), _LETTERS)) for place, token in numbered]
        return [name if step == 1 else f"{self.first + place} {name}" for place, name in names]


def draw_pattern(
    axes: "Axes", cells: Cells, places: Places, look: Look, side: float, limit: float
) -> "ScalarMappable | None":
    """Draw cells whose largest absolute value is ``limit`` in axes of ``side`` points.

    Returns what a colour bar explains, None for dots.
    """
    shown = cells.T if look.keys_down else cells
    axes.set(
        xlim=(-0.5, len(cells) - 0.5), ylim=(len(cells) - 0.5, -0.5), aspect="equal", anchor="NW"
    )
    _draw_masked(axes, shown)
    _label(axes, places, look, side)
    if look.in_dots:
        _draw_dots(axes, shown, look, limit)
        return None
    style = colours(look, limit)
    return axes.imshow(np.ma.masked_invalid(shown), interpolation="nearest", **style)


def label_letters(tokens: Sequence[str]) -> int:
    """The letters of the longest label; numbers stand before many tokens."""
    longest = min(max(len(drawable(token)) for token in tokens), _LETTERS)
    return longest + len(f" {len(tokens)}") * (len(tokens) > _MANY)


def name_rows(axes: "Axes", names: Sequence[str]) -> None:
    """Write a text on the right of each row, if all rows have room for one."""
    if not names or len(axes.get_yticks()) != len(names):
        return
    beside = axes.secondary_yaxis("right")
    style: dict[str, Any] = {"fontsize": _BESIDE, "color": INK, "parse_math": False}
    beside.set_yticks(range(len(names)), [drawable_words(name) for name in names], **style)
    beside.tick_params(length=0)
    beside.spines["right"].set_visible(False)


def colours(look: Look, limit: float) -> dict[str, Any]:
    """The colour map and its scale: diverging where values have both signs.

    Weights are on a scale of square roots, so that small ones can be told from none.
    """
    from matplotlib.colors import LinearSegmentedColormap, Normalize, PowerNorm

    if look.is_signed:
        both = LinearSegmentedColormap.from_list("signed", [BLUE, "#f7f7f7", ORANGE])
        return {"cmap": both, "norm": Normalize(-limit, limit)}
    return {"cmap": "viridis", "norm": PowerNorm(0.5, 0, limit)}


def explain_colours(axes: Sequence["Axes"], image: "ScalarMappable", look: Look) -> None:
    """Draw a colour bar beside these axes."""
    ticks = _SHARES if look.are_shares else None
    bar = axes[0].figure.colorbar(
        image, ax=list(axes), ticks=ticks, shrink=0.8, pad=0.02, aspect=30, panchor=False
    )
    if ticks:
        bar.ax.set_yticklabels([f"{share:g}" for share in ticks])
        bar.minorticks_off()
    bar.set_label(textwrap.fill(look.name, 45), color=INK, fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8)
    bar.outline.set(edgecolor=INK, linewidth=0.5)


def _draw_masked(axes: "Axes", shown: Cells) -> None:
    from matplotlib.patches import PathPatch

    if (area := _masked_area(shown)) is not None:
        axes.add_patch(
            PathPatch(area, facecolor="none", edgecolor=FAINT, linewidth=0, hatch="////", zorder=0)
        )


def _masked_area(shown: Cells) -> "Path | None":
    """The outlines of the runs of masked cells in every row."""
    from matplotlib.path import Path

    boxes = []
    for row, masked in enumerate(~np.isfinite(shown)):
        edges = np.flatnonzero(np.diff(masked, prepend=False, append=False)) - 0.5
        for left, right in edges.reshape(-1, 2):
            corners = [(left, row - 0.5), (right, row - 0.5), (right, row + 0.5), (left, row + 0.5)]
            boxes.append(Path([*corners, corners[0]], closed=True))
    return Path.make_compound_path(*boxes) if boxes else None


def _draw_dots(axes: "Axes", shown: Cells, look: Look, limit: float) -> None:
    """Draw dots whose areas are proportional to the values: one of ``limit`` fills its cell."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    visible = np.isfinite(shown) & (np.abs(shown) > _INVISIBLE * limit)
    for sign, colour in ((-1, BLUE), (1, ORANGE if look.is_signed else BLUE)):
        rows, columns = np.nonzero(visible & (np.sign(shown) == sign))
        radii = _FULL / 2 * np.sqrt(np.abs(shown[rows, columns]) / limit)
        if len(radii):
            dots = _discs(np.stack([columns, rows], axis=1), radii)
            axes.add_patch(PathPatch(dots, facecolor=colour, linewidth=0))
    edges = [((edge, -0.5), (edge, len(shown) - 0.5)) for edge in np.arange(0.5, len(shown) - 1)]
    ends = np.array([*edges, *(tuple(end[::-1] for end in edge) for edge in edges)])
    lines = Path(ends.reshape(-1, 2), [Path.MOVETO, Path.LINETO] * len(ends))
    axes.add_patch(PathPatch(lines, facecolor="none", edgecolor=FAINT, linewidth=0.3, zorder=0))


def _discs(centres: NDArray[np.int64], radii: Cells) -> "Path":
    """Discs as one outline, four arcs each: a file with thousands of them stays small."""
    from matplotlib.path import Path

    bend = 4 / 3 * (2**0.5 - 1)  # of a Bezier curve that is nearest to a quarter of a circle
    quarter = np.array([[1, bend], [bend, 1], [0, 1]])
    turn = np.array([[0, -1], [1, 0]])
    turned = [quarter @ np.linalg.matrix_power(turn, count).T for count in range(4)]
    unit = np.concatenate([[[1, 0]], *turned])  # (13, 2)
    places = centres[:, None] + radii[:, None, None] * unit
    codes = [Path.MOVETO, *[Path.CURVE4] * 12]
    return Path(places.reshape(-1, 2), np.tile(codes, len(radii)))


def _label(axes: "Axes", places: Places, look: Look, side: float) -> None:
    """Name the tokens, or as many as there is room for."""
    count = len(places.tokens)
    cell = side / count  # points
    size = min(max(cell / _LINE, _SMALLEST), _LARGEST)
    needed = size * _LINE / cell
    step = next(step for step in _STEPS if step >= needed * (1 if step <= _NAMED else _APART))
    names = places.labels(step)
    style: dict[str, Any] = {"fontsize": size, "color": INK, "parse_math": False}
    across, down = ("query", "key") if look.keys_down else ("key", "query")
    turn = 90 if max(map(len, names)) > _UPRIGHT else 0
    axes.set_xticks(range(0, count, step), names, rotation=turn, **style)
    axes.set_yticks(range(0, count, step), names, **style)
    axes.set_xlabel(across, color=INK, fontsize=_LARGEST)
    axes.set_ylabel(down, color=INK, fontsize=_LARGEST)
    axes.tick_params(colors=INK, length=2, width=0.5)
    for spine in axes.spines.values():
        spine.set(color=INK, linewidth=0.5)
