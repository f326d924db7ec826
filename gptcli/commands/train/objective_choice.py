"""What ``train`` chooses for another objective than lm, and what it finds in the data for it."""

from collections.abc import Mapping
from typing import Any

from gptcli.commands.computing import chosen_device, chosen_precision
from gptcli.commands.train.command import TrainRequest
from gptcli.commands.train.repetition import Resolve
from gptcli.commands.view.terminal import note
from gptcli.config.checks import counted
from gptcli.config.objective import ObjectiveKind, learns_from_rewards
from gptcli.data.dataset import Dataset
from gptcli.errors import UsageError
from gptcli.runtime.device import threads_on
from gptcli.runtime.world import World
from gptcli.training.defaults import Resolved
from gptcli.training.material import common_context, material_of
from gptcli.training.objective_defaults import resolve_objective
from gptcli.training.starting_point import StartingPoint


def objective_resolver(
    request: TrainRequest, dataset: Dataset, start: StartingPoint, world: World
) -> Resolve:
    """What merges given values with the objective's defaults; UsageError where it cannot be."""
    kind, is_policy = request.kind, learns_from_rewards(request.kind)
    check_processes(kind, world)
    context = common_context(start.model.block_size, request.reward)
    material = material_of(kind, dataset, context, request.max_new_tokens)
    if material.n_left_out:
        what, room = ("question", " with room for an answer") if is_policy else ("pair", "")
        total = material.n_rows + material.n_left_out
        note(
            f"{counted(material.n_left_out, what)} of {total:,} left out: they do not fit into "
            f"the context of {context:,}{room}"
        )
    device = chosen_device(request.device)
    asked = "float32" if request.precision == "auto" else request.precision
    precision = chosen_precision(asked, device)

    def resolve_here(given: Mapping[str, Any]) -> Resolved:
        whole = {**given, **request.of_objective}
        threads = threads_on(device, bool(given.get("deterministic")))
        machine = {"device": device, "precision": precision, "threads": threads}
        return resolve_objective(kind, whole, start.model, machine, material)

    return resolve_here


def check_processes(kind: ObjectiveKind, world: World) -> None:
    """Raise UsageError where several processes would train a policy."""
    if learns_from_rewards(kind) and world.size > 1:
        raise UsageError(
            f"--objective {kind.name} is trained by one process: run it without torchrun"
        )
