"""``eval --verify``: checks whether a model directory is what its records say."""

from types import MappingProxyType

from gptcli.checkpoint.weights_step import step_document, weights_step
from gptcli.commands.choices import chosen_model
from gptcli.commands.computing import chosen_device, note_step
from gptcli.commands.eval.command import EvalRequest
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.progress_bar import progress
from gptcli.commands.view.tables import Table
from gptcli.errors import CheckpointError
from gptcli.evaluation.verification import Finding, verify
from gptcli.runtime.device import memory_errors

_WORDS = MappingProxyType({True: "ok", False: "FAILED", None: "skipped"})


def verify_answer(request: EvalRequest) -> Answer:
    """Make every check and list the results; raise CheckpointError afterwards if one failed."""
    directory = chosen_model(request.checkpoint)
    step = weights_step(directory)
    note_step(directory, step)
    findings: list[Finding] = []
    device = chosen_device(request.device)
    with (
        memory_errors(f"the model in {directory}", "free some memory", device),
        progress("verifying", None, "checks") as advance,
    ):
        for finding in verify(directory, device):
            findings.append(finding)
            advance(1)

    def raise_if_failed() -> None:
        if failed := [finding.name for finding in findings if finding.held is False]:
            raise CheckpointError(
                f"{directory} did not pass these checks: {', '.join(failed)}: "
                "use an earlier checkpoint, or copy it again"
            )

    model = directory.as_posix()
    checks = [{"name": f.name, "held": f.held, "detail": f.detail} for f in findings]
    rows = tuple((_WORDS[f.held], f.name, f.detail) for f in findings)
    return Answer(
        "gptcli.eval-verify/1",
        lambda: {"model": model, **step_document(step), "checks": checks},
        [Table(model, ("result", "check", "detail"), rows, has_header=False)],
        after=raise_if_failed,
    )
