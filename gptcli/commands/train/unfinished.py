"""``--resume auto``: the run that the flags would begin, where it has been begun already."""

from dataclasses import asdict
from pathlib import Path

from gptcli.checkpoint.run import RECORD_FILE, RUNS, RunRecord, read_record
from gptcli.commands.choices import chosen_dataset
from gptcli.commands.train.command import TrainRequest
from gptcli.config.checks import flag_with
from gptcli.data.dataset import Dataset
from gptcli.errors import UsageError
from gptcli.evaluation.processes import from_first
from gptcli.families.registry import family_of
from gptcli.runtime.world import World

_MAY_DIFFER = ("max_iters", "time_budget", "keep")  # the plan of a time is in the record


def unfinished_run(request: TrainRequest, world: World) -> Path | None:
    """The directory of the run that the flags name, if it is there.

    The first process looks for all. UsageError where the run there was begun with other flags.
    """
    dataset = Dataset.open(chosen_dataset(request.data))
    directory = request.out or RUNS / dataset.directory.resolve().name
    (is_there,) = from_first(world, int((directory / RECORD_FILE).is_file()))
    if not is_there:
        return None
    _check_same_flags(request, read_record(directory), directory)
    return directory


def _check_same_flags(request: TrainRequest, record: RunRecord, directory: Path) -> None:
    has = {
        **asdict(record.model),
        **asdict(record.training),
        "family": family_of(record.model).name,
        **asdict(record.objective),
        "objective": record.objective.name,
    }
    given = request.shaping if request.preset is None else {"preset": request.preset}
    given |= {"objective": request.objective, **request.of_objective}
    has["preset"] = record.preset
    for name, value in given.items():
        if name not in _MAY_DIFFER and value != has.get(name):
            raise UsageError(
                f"{directory} is there already, and was begun with {flag_with(name, has[name])} "
                f"instead of {flag_with(name, value)}: name another --out"
            )
