"""loss.svg: the course of a run at a glance."""

from collections.abc import Sequence
from pathlib import Path

from gptcli.training.metrics_log import Line
from gptcli.training.svg import (
    TRAIN,
    VAL,
    draw_evaluations,
    draw_steps,
    finish,
    frame,
    new_picture,
    points,
    ring,
    save_picture,
)

PLOT_FILE = "loss.svg"
_SPLITS = (("train_loss", "train split", TRAIN), ("val_loss", "val split", VAL))
_MARGIN = 0.06  # of the range of losses that is shown


def draw_loss(
    lines: list[Line], path: Path, title: str, warmup_iters: int = 0, row: str = "token"
) -> None:
    """Draw the loss of batches and the evaluations of both splits over the steps.

    The axis of the loss begins at the first evaluation after the warm-up: the loss of a model
    that has learnt nothing would leave no room for what follows. It is in nats per ``row``.
    """
    figure, (axes,) = new_picture(title)
    frame(axes, f"loss (nats per {row})")
    draw_steps(axes, points(lines, "loss"), "batch")
    for key, label, colour in _SPLITS:
        # The model of step 0 has learnt nothing, so no line leads from it to the others.
        draw_evaluations(axes, [one for one in points(lines, key) if one[0]], label, colour)
    finish(axes, lines)
    if shown := _shown_losses(lines, warmup_iters):
        low, high = min(shown), max(shown)
        room = _MARGIN * (high - low) or 0.1
        axes.set_ylim(low - 2 * room, high + room)
    # The lowest loss of val, or of train where there is no val.
    found = points(lines, "val_loss") or points(lines, "train_loss")
    if learnt := [one for one in found if one[0]]:
        best = min(learnt, key=lambda one: (one[1], one[0]))
        ring(axes, best, f"{best[1]:.4f}")
    save_picture(figure, path)


def draw_policy(lines: list[Line], path: Path, title: str) -> None:
    """Draw the reward of a policy, and below it how far it went and how long its answers are.

    The divergence from the reference is in nats per answer.
    """
    figure, (above, below) = new_picture(title, 2)
    frame(above, "reward")
    draw_steps(above, points(lines, "reward"), "batch")
    found = points(lines, "val_reward") or points(lines, "train_reward")
    draw_evaluations(above, found, "held out", VAL)
    finish(above, lines)
    if learnt := [one for one in found if one[0]]:
        best = max(learnt, key=lambda one: (one[1], -one[0]))
        ring(above, best, f"{best[1]:.4f}")
    frame(below, "KL (nats)")
    draw_steps(below, points(lines, "kl"), "KL to the reference", TRAIN)
    finish(below, lines, "upper left")
    right = below.twinx()
    frame(right, "tokens", is_right=True)
    draw_steps(right, points(lines, "answer_tokens"), "length of answers")
    right.set_ylim(bottom=0)
    finish(right, lines, "lower right")
    save_picture(figure, path)


def _shown_losses(lines: Sequence[Line], warmup_iters: int) -> list[float]:
    """The losses that must lie within the axis: those from the first evaluation after warm-up.

    Where there is no second one, the batches after the warm-up give the curve its range.
    """
    evaluated = [(step, loss) for key, *_ in _SPLITS for step, loss in points(lines, key) if step]
    after = sorted({step for step, _ in evaluated if step > warmup_iters})
    begin = after[0] if len(after) > 1 else warmup_iters + 1
    return [loss for step, loss in evaluated + points(lines, "loss") if step >= begin]
