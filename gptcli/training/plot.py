"""loss.svg: the course of a run at a glance."""

from pathlib import Path

from gptcli.runtime.escapes import visible
from gptcli.runtime.files import replace_file
from gptcli.training.metrics_log import Line

PLOT_FILE = "loss.svg"
# Colours of Okabe and Ito, which colour-blind readers can tell apart.
_CURVES = (
    ("loss", "batch", "#9aa5b1", 0.8, None),
    ("train_loss", "train split", "#0072b2", 1.5, "o"),
    ("val_loss", "val split", "#d55e00", 1.5, "o"),
)


def draw_loss(lines: list[Line], path: Path, title: str) -> None:
    """Draw training loss and the evaluations of both splits over the steps."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for key, label, color, width, marker in _CURVES:
        points = [(line["step"], line[key]) for line in lines if line.get(key) is not None]
        if points:
            steps, losses = zip(*points, strict=True)
            axes.plot(
                steps,
                losses,
                label=label,
                color=color,
                linewidth=width,
                marker=marker,
                markersize=3,
            )
    axes.set(xlabel="step", ylabel="loss (nats per token)")
    axes.set_title(visible(title), parse_math=False)
    axes.grid(alpha=0.25)
    if axes.lines:
        axes.legend(frameon=False)
    # Without a date and with a fixed salt, the same run draws the same file.
    with matplotlib.rc_context({"svg.hashsalt": "gptcli"}):
        replace_file(path, lambda file: figure.savefig(file, format="svg", metadata={"Date": None}))
