"""What a training run ends with: its best figure, and what can be done with it."""

from gptcli.checkpoint.resume import Progress
from gptcli.checkpoint.run import read_record
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.numbers import duration
from gptcli.commands.view.tables import Cell, Figure, facts
from gptcli.commands.view.terminal import escape_controls, note
from gptcli.config.checks import counted
from gptcli.config.objective import is_policy
from gptcli.runtime.escapes import typed
from gptcli.training.training_run import TrainingRun


def result(training: TrainingRun, progress: Progress, seconds: float) -> Answer:
    """The result of a finished run."""
    run = training.name
    split = "val" if training.dataset.val.n_tokens > 1 else "train"
    learnt, judged_by = training.objective, training.objective.judged_by
    value = None if progress.best_loss is None else learnt.judged(progress.best_loss)
    best = f"best {split} {judged_by} {value:.4f} at step {progress.best_step:,}"
    line = f"{run}: {best}, {counted(progress.step, 'step')}, {duration(seconds)}"
    seconds = round(seconds, 3)
    cells: dict[str, Cell] = {
        "run": run,
        "steps": progress.step,
        "best_step": progress.best_step,
        "measured_on": split,
        f"best_{judged_by}": Figure.of(value, ".4f"),
        "seconds": Figure(seconds, duration(seconds)),
    }
    document = {**cells, f"best_{judged_by}": value, "seconds": seconds}
    return Answer(
        "gptcli.train/1",
        lambda: document,
        (facts("", cells.items()),),
        drawing=lambda canvas: [escape_controls(line)],
        after=lambda: _suggest_next(training),
    )


def _suggest_next(training: TrainingRun) -> None:
    run, data = typed(training.name), typed(training.dataset.directory)
    if training.model.config.score:
        start = read_record(training.directory).init_from
        assert start is not None, "a reward model begins with another model"
        note(
            f"next: gptcli eval {run}; gptcli train --objective ppo --reward {run} --data {data} "
            f"--init-from {typed(start.checkpoint)}"
        )
    elif is_policy(training.objective):
        reward = typed(training.objective.reward)
        note(
            f"next: gptcli eval {run} --data {data} --reward {reward}; "
            f'gptcli sample {run} --prompt "..."'
        )
    else:
        note(
            'next: gptcli eval; gptcli sample --prompt "..."; gptcli inspect-attention --text "..."'
        )
