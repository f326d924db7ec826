"""The figures of metrics.jsonl for TensorBoard and for Weights & Biases, as they come."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from gptcli.config.checks import flag
from gptcli.errors import UsageError

TRACKERS = ("tensorboard", "wandb")
_PROJECT = "gptcli"
_OFFLINE = ("offline", "disabled", "dryrun")
Figures = Mapping[str, float]


class Tracker(Protocol):
    """Draws the curves of a run somewhere."""

    def log(self, step: int, figures: Figures) -> None:
        """Add a point to the curve of each figure."""

    def close(self) -> None:
        """Write what is left."""


class Trackers:
    """Passes figures on to the trackers that were asked for.

    Their files are in the run, which is in its place only from its first save on: until then
    the figures wait. ``first`` is the number of steps that the run already has.
    """

    def __init__(
        self, names: tuple[str, ...] = (), ident: str = "", title: str = "", first: int = 0
    ) -> None:
        self._names, self._ident, self._title, self._first = names, ident, title, first
        self._waiting: list[tuple[int, dict[str, float]]] = []
        self._open: list[Tracker] | None = None

    @property
    def flags(self) -> str:
        """The flags that ask for them, each with a space before it."""
        return "".join(f" {flag(name)}" for name in self._names)

    def log(self, step: int, values: Mapping[str, float | None]) -> None:
        """Take the figures of a step."""
        if self._names:
            figures = {name: value for name, value in values.items() if value is not None}
            self._waiting.append((step, figures))

    def pass_on(self, run: Path) -> None:
        """Give what waits to the trackers of the run at that place.

        They are not tried again after an error of theirs, which is raised.
        """
        waiting, self._waiting = self._waiting, []
        try:
            if self._open is None:
                self._open = []
                self._open += [self._opened(name, run) for name in self._names]
            for step, figures in waiting:
                for tracker in self._open:
                    tracker.log(step, figures)
        except Exception:
            self._names = ()
            raise

    def close(self) -> None:
        """Close all that are open."""
        for tracker in self._open or ():
            tracker.close()

    def _opened(self, name: str, run: Path) -> Tracker:
        if name == "tensorboard":
            return TensorBoard(run, self._first)
        return WeightsAndBiases(run, self._ident, self._title)


class TensorBoard:
    """Writes ``tensorboard/`` in the run; points after ``first`` of a crashed process go."""

    def __init__(self, run: Path, first: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        purge = first + 1 if first else None
        self._writer: Any = SummaryWriter(str(run / "tensorboard"), purge_step=purge, flush_secs=10)

    def log(self, step: int, figures: Figures) -> None:
        """Add a point to the curve of each figure."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WeightsAndBiases:
    """Sends to wandb, or with WANDB_MODE=offline keeps ``wandb/`` in the run."""

    def __init__(self, run: Path, ident: str, title: str) -> None:
        import wandb

        # Its capture of the console would break the panel.
        settings = wandb.Settings(console="off", silent=True, disable_git=True, save_code=False)
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            name=run.name,
            notes=title,
            id=sha256(ident.encode()).hexdigest()[:16],
            resume=None if _is_local() else "allow",
            dir=str(run),
            settings=settings,
        )
        # A resumed run may come to a step again, which wandb's own count of steps refuses.
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")

    def log(self, step: int, figures: Figures) -> None:
        """Add a point to the curve of each figure."""
        self._run.log({"step": step, **figures})

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


def check_trackers(names: tuple[str, ...]) -> None:
    """UsageError where a package is missing, or wandb would ask who is there."""
    for name in names:
        try:
            if name == "tensorboard":
                import torch.utils.tensorboard  # noqa: F401
            else:
                _check_wandb()
        except ImportError:
            raise UsageError(
                f"{flag(name)} needs {name}: install it with `pip install 'gptcli[track]'`"
            ) from None


def _check_wandb() -> None:
    import wandb

    if not _is_local() and wandb.api.api_key is None:
        raise UsageError(
            "--wandb: nobody is logged in: run `wandb login`, or set WANDB_MODE=offline"
        )


def _is_local() -> bool:
    """Whether wandb keeps the figures here: nobody need be logged in, and none is fetched."""
    return os.environ.get("WANDB_MODE", "").lower() in _OFFLINE
