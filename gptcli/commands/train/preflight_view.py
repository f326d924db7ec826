"""What a run will take, before it begins: in one line of the announcement, or as ``--dry-run``."""

from dataclasses import asdict, dataclass
from typing import Any

from gptcli.commands.view.answer import Answer
from gptcli.commands.view.numbers import duration, rounded
from gptcli.commands.view.tables import Amount, Cell, Figure, Table, facts
from gptcli.commands.view.terminal import note
from gptcli.training.preflight import Preflight
from gptcli.training.training_run import TrainingRun

_PARTS = {
    "weights": "weights",
    "gathered": "weights of all, to evaluate",
    "gradients": "gradients",
    "optimizer": "optimizer state",
    "activations": "activations",
    "loss": "logits and loss",
    "batch": "batch",
    "evaluation": "evaluation",
    "teacher": "n-grams that teach",
    "libraries": "Python and torch",
}


@dataclass(frozen=True)
class PlannedLength:
    """How many steps a run does in all, and the seconds of what is left, if they are known."""

    iterations: int
    seconds: float | None
    has_budget: bool


def memory_line(costs: Preflight) -> str:
    """The needs of a run in one line."""
    free = "" if costs.free is None else f" of {rounded(costs.free, 'B')} that are free"
    return (
        f"memory: about {rounded(costs.memory.peak, 'B')}{free}; disk: {rounded(costs.disk, 'B')}"
    )


def dry_run(training: TrainingRun, costs: Preflight, plan: PlannedLength) -> Answer:
    """The preflight of a run that is not begun."""
    config = training.config
    whole: dict[str, Any] = {
        "run": training.name,
        "data": training.dataset.directory.as_posix(),
        **({} if training.is_language_modeling else {"objective": training.objective.name}),
        "device": config.device,
        "precision": config.precision,
        "optimizer": config.optimizer,
        "schedule": config.schedule,
        "compile": config.compile,
        "parameters": costs.n_params,
        f"{training.unit}_per_iteration": costs.per_iter,
        "iterations": plan.iterations,
        "done": training.progress.step,
        "epochs": round(costs.epochs, 3),
        "seconds": None if plan.seconds is None else round(plan.seconds, 1),
    }
    memory = {**asdict(costs.memory), "free": costs.free}
    checkpoint = {
        "weights": costs.weights_file,
        "resume_step": costs.step_bytes,
        "kept_steps": costs.kept_steps,
        "total": costs.disk,
    }
    document = {**whole, "memory": memory, "checkpoint": checkpoint}
    return Answer(
        "gptcli.preflight/1",
        lambda: document,
        (_run_table(whole, costs, plan, training.unit), _memory_table(costs)),
        csv=facts("", [*_flat(whole), *_flat(memory, "memory_"), *_flat(checkpoint, "disk_")]),
        after=lambda: note("nothing was written; the same command without --dry-run trains"),
    )


def _run_table(whole: dict[str, Any], costs: Preflight, plan: PlannedLength, unit: str) -> Table:
    learnt = f"{whole['objective']}, " if "objective" in whole else ""
    how = f"{learnt}{whole['optimizer']}, {whole['schedule']}, {whole['precision']}"
    how += f" on {whole['device']}{', compiled' if whole['compile'] else ''}"
    about = "about " if plan.has_budget else ""
    done = f", {whole['done']:,} are done" if whole["done"] else ""
    save = f"{rounded(costs.weights_file, 'B')} weights"
    save += f" + {costs.kept_steps} x {rounded(costs.step_bytes, 'B')} to resume"
    time = "-"
    if plan.seconds is not None:
        time = f"{'' if plan.has_budget else 'about '}{duration(plan.seconds)}"
    rows: list[tuple[str, Cell]] = [
        ("run", whole["run"]),
        ("data", whole["data"]),
        ("training", how),
        ("parameters", f"{costs.n_params:,}"),
        (f"{unit} per step", f"{costs.per_iter:,}"),
        ("steps", f"{about}{plan.iterations:,}{done}"),
        ("epochs", f"{about}{costs.epochs:,.1f}"),
        ("time", time),
        ("disk", save),
    ]
    return facts("", rows)


def _memory_table(costs: Preflight) -> Table:
    memory = asdict(costs.memory)
    rows: list[tuple[Cell, ...]] = [
        (label, Amount(memory[name], "B")) for name, label in _PARTS.items() if memory[name]
    ]
    rows.append(("peak of all", Amount(costs.memory.peak, "B")))
    if costs.free is not None:
        rows.append(("free", Amount(costs.free, "B")))
    why = "Not all parts are there at once: the peak is less than their sum."
    return Table("memory", ("part", "bytes"), tuple(rows), notes=(why,))


def _flat(values: dict[str, Any], before: str = "") -> list[tuple[str, Cell]]:
    """Names and exact values, for csv."""
    return [
        (before + name, value if isinstance(value, str) else Figure(value, str(value)))
        for name, value in values.items()
    ]
