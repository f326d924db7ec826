"""``eval --tasks``: benchmarks through lm-eval."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gptcli.commands.eval.figures import as_json
from gptcli.commands.view.tables import Cell, Table, to_text
from gptcli.errors import DataError, GptcliError, ResourceError, UsageError

if TYPE_CHECKING:
    from gptcli.commands.tokenize.output import Output

_ERROR = "_stderr"


def tasks_answer(
    checkpoint: Path | None, tasks: str, limit: int | None, device: str, output: "Output"
) -> str:
    """The metrics of all tasks as a table or a document."""
    from gptcli.commands.choices import chosen_model
    from gptcli.commands.computing import opened_model
    from gptcli.commands.view.progress import progress
    from gptcli.evaluation.harness import check_harness, run_tasks
    from gptcli.runtime.device import memory_errors
    from gptcli.tokenization.unseen import UnseenCharacterError, unseen_error

    names = [name.strip() for name in tasks.split(",") if name.strip()]
    if not names:
        raise UsageError("--tasks names none: give a task of lm-eval or a YAML file")
    check_harness()
    directory = chosen_model(checkpoint)
    loaded = opened_model(directory, device)
    # The library and those it calls print what they like; stdout is for results.
    with (
        memory_errors("try --device cpu"),
        progress("answering", None, "requests") as advance,
        contextlib.redirect_stdout(sys.stderr),
    ):
        try:
            found = run_tasks(loaded, names, limit, advance)
        except UnseenCharacterError as error:
            raise unseen_error(
                error,
                f"--tasks {tasks}",
                "take a model of bytes or of BPE",
                is_prompt=False,
                origin=str(directory),
            ) from error
        except (ConnectionError, FileNotFoundError) as error:
            raise ResourceError(f"--tasks {tasks}: its data cannot be had: {error}") from error
        except (GptcliError, MemoryError, RuntimeError):
            raise
        except Exception as error:  # a task is somebody's file, and anything may be wrong with it
            reason = " ".join(str(error).split())[:300]
            raise DataError(
                f"--tasks {tasks}: lm-eval cannot use it: {type(error).__name__}: {reason}"
            ) from error
    if output.form == "json":
        return as_json("eval-tasks", {"model": directory.as_posix(), "tasks": found})
    return to_text([_sheet(found)], output.width, output.is_coloured)


def _sheet(found: dict[str, dict[str, float]]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for task, metrics in found.items():
        for name, value in metrics.items():
            metric, _, rest = name.partition(" ")
            if metric.endswith(_ERROR):
                continue
            error = metrics.get(f"{metric}{_ERROR}{' ' * bool(rest)}{rest}")
            rows.append((task, name, f"{value:.4f}", "" if error is None else f"{error:.4f}"))
    return Table("Tasks of lm-eval", ("task", "metric", "value", "error"), tuple(rows))
