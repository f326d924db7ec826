"""``eval --tasks``: benchmarks through lm-eval."""

import contextlib
import sys

from gptcli.checkpoint.weights_step import step_document
from gptcli.commands.choices import chosen_model
from gptcli.commands.computing import opened_model
from gptcli.commands.eval.command import EvalRequest
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.progress_bar import progress
from gptcli.commands.view.tables import Cell, Figure, Table
from gptcli.errors import DataError, GptcliError, ResourceError
from gptcli.evaluation.harness import check_harness, run_tasks
from gptcli.runtime.device import memory_errors
from gptcli.tokenization.unseen import UnseenCharacterError, unseen_error

_ERROR = "_stderr"

Metrics = dict[str, dict[str, float]]


def tasks_answer(request: EvalRequest) -> Answer:
    """Run the tasks with lm-eval, and list the metrics of each."""
    tasks = request.tasks
    check_harness()
    directory = chosen_model(request.checkpoint)
    loaded = opened_model(directory, request.device).check_writes()
    # lm-eval and the libraries that it uses print to stdout, which is for results alone.
    with (
        memory_errors("requests of these tasks", "free some memory", loaded.device),
        progress("answering", None, "requests") as advance,
        contextlib.redirect_stdout(sys.stderr),
    ):
        try:
            found = run_tasks(loaded, request.task_names, request.limit, advance)
        except UnseenCharacterError as error:
            raise unseen_error(
                error,
                f"--tasks {tasks}",
                "use a model with a byte or BPE tokenizer",
                is_prompt=False,
                origin=str(directory),
            ) from error
        except (ConnectionError, FileNotFoundError) as error:
            raise ResourceError(f"--tasks {tasks}: cannot load its data: {error}") from error
        except (GptcliError, MemoryError, RuntimeError):
            raise
        except Exception as error:  # anything may be wrong in a user's task file
            reason = " ".join(str(error).split())[:300]
            raise DataError(
                f"--tasks {tasks}: lm-eval cannot use it: {type(error).__name__}: {reason}"
            ) from error
    return Answer(
        "gptcli.eval-tasks/1",
        lambda: {"model": directory.as_posix(), **step_document(loaded.step), "tasks": found},
        [_table(found)],
    )


def _table(found: Metrics) -> Table:
    """A row per metric, with its standard error where lm-eval gives one."""
    rows: list[tuple[Cell, ...]] = []
    for task, metrics in found.items():
        for name, value in metrics.items():
            metric, _, rest = name.partition(" ")
            if metric.endswith(_ERROR):
                continue
            error = metrics.get(f"{metric}{_ERROR}{' ' * bool(rest)}{rest}")
            rows.append((task, name, Figure.of(value, ".4f"), Figure.of(error, ".4f")))
    return Table("Tasks of lm-eval", ("task", "metric", "value", "error"), tuple(rows))
