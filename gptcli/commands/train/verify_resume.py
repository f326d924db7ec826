"""``train --verify-resume``: whether a run that is interrupted ends as one that is not, here.

A few steps are done without a break, and again with one, from what was saved; weights and the
optimizer's state must be the same in every bit.
"""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from gptcli.checkpoint.resume import resume_steps
from gptcli.checkpoint.run import read_record
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.tables import Table
from gptcli.data.dataset import Dataset
from gptcli.errors import CheckpointError
from gptcli.runtime.hashing import sha256_of
from gptcli.runtime.signals import StopRequest
from gptcli.training.defaults import Resolved
from gptcli.training.loop import run_training
from gptcli.training.reporter import Reporter
from gptcli.training.resuming import continue_training
from gptcli.training.setup import begin_training
from gptcli.training.starting_point import StartingPoint

_BREAK, _STEPS = 4, 8
_FILES = ("model.safetensors", "optimizer.safetensors")


def resume_verified(
    resolved: Resolved, dataset: Dataset, start: StartingPoint | None, stop: StopRequest
) -> Answer:
    """Train with and without a break in a directory of its own, which is removed afterwards.

    CheckpointError after the answer where they differ.
    """
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        short = replace(
            resolved.training,
            max_iters=_STEPS,
            eval_interval=_BREAK,
            eval_batches=1,
            warmup_iters=min(resolved.training.warmup_iters, _STEPS),
        )
        begun = begin_training(run, replace(resolved, training=short), None, dataset, start=start)
        run_training(begun, Reporter(), stop)
        straight = _hashes(run)
        shutil.rmtree(resume_steps(run)[-1])
        resumed, _ = continue_training(run, read_record(run), dataset, None)
        assert resumed.progress.step == _BREAK, "the newest save is that of the break"
        run_training(resumed, Reporter(), stop)
        broken = _hashes(run)
    return _answer(straight, broken)


def _hashes(run: Path) -> dict[str, str]:
    newest = resume_steps(run)[-1]
    return {name: sha256_of(newest / name) for name in _FILES}


def _answer(straight: dict[str, str], broken: dict[str, str]) -> Answer:
    differ = [name for name in _FILES if straight[name] != broken[name]]

    def document() -> Document:
        return {
            "steps": _STEPS,
            "broken_at": _BREAK,
            "is_exact": not differ,
            "files": {
                name: {"straight": straight[name], "resumed": broken[name]} for name in _FILES
            },
        }

    rows = tuple(
        (name, straight[name][:12], broken[name][:12], "no" if name in differ else "yes")
        for name in _FILES
    )
    title = f"{_STEPS} steps, without a break and with one after step {_BREAK}"
    table = Table(title, ("sha256 of", "straight", "resumed", "the same"), rows)

    def after() -> None:
        if differ:
            raise CheckpointError(
                f"a resumed run ends with another {' and '.join(differ)} here: a library or device "
                "does not compute the same twice; try --deterministic, or --compile off"
            )

    return Answer("gptcli.verify-resume/1", document, (table,), after=after)
