"""Benchmark tasks run by lm-eval: its own by name, or files that describe one."""

import logging
import os
from pathlib import Path
from typing import Any

from gptcli.errors import UsageError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.runtime.progress import Advance

_ENDINGS = (".yaml", ".yml")
_MISSING = "--tasks needs lm-eval: install it with `pip install 'gptcli[tasks]'`"


def check_harness() -> None:
    """Raise UsageError where lm-eval is not installed."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # the caller shows the progress
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    try:
        import lm_eval  # noqa: F401
    except ImportError:
        raise UsageError(_MISSING) from None


def run_tasks(
    loaded: LoadedModel, names: list[str], limit: int | None, advance: Advance
) -> dict[str, Any]:
    """Run tasks, given by name or as YAML files, and return the metrics of each.

    ``limit`` caps the examples of each task; ``advance`` counts answered requests. A task file
    may name Python code of its own, which lm-eval runs.
    """
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    from gptcli.evaluation.harness_model import HarnessModel  # noqa: PLC0415  a subclass of lm_eval's

    for name in names:
        if name.endswith(_ENDINGS) and not _is_file(name):
            raise UsageError(f"--tasks {name} is not a file")
    # Reading the list of the thousands of tasks of lm-eval takes longer than a small task.
    manager = TaskManager(include_defaults=any(not _is_file(name) for name in names))
    for name in names:
        if not _is_file(name) and not manager.match_tasks([name]):
            raise UsageError(
                f"--tasks {name} is neither a task of lm-eval nor a YAML file: `lm-eval ls tasks` "
                "lists those that there are"
            )
    found = simple_evaluate(
        HarnessModel(loaded, advance),
        tasks=list(names),
        task_manager=manager,
        limit=limit,
        log_samples=False,
        bootstrap_iters=1000,
    )
    return {name: _metrics(metrics) for name, metrics in found["results"].items()}


def _is_file(name: str) -> bool:
    return name.endswith(_ENDINGS) and Path(name).is_file()


def _metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """Rename ``acc,none`` to ``acc`` and ``acc,FILTER`` to ``acc FILTER``; keep numbers alone."""
    return {
        name.removesuffix(",none").replace(",", " "): float(value)
        for name, value in metrics.items()
        if "," in name and isinstance(value, int | float)
    }
