"""``eval --verify``: a model directory that proves itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gptcli.commands.eval.figures import as_json
from gptcli.commands.view.terminal import escape_controls
from gptcli.errors import CheckpointError

if TYPE_CHECKING:
    from gptcli.commands.tokenize.output import Output
    from gptcli.evaluation.verification import Finding

_WORDS = {True: "ok", False: "FAILED", None: "skipped"}


def give_verification(checkpoint: Path | None, device: str, output: "Output") -> None:
    """Every check and what it found; CheckpointError afterwards if one failed."""
    from gptcli.commands.choices import chosen_model
    from gptcli.commands.computing import chosen_device
    from gptcli.commands.view.progress import progress
    from gptcli.evaluation.verification import verify
    from gptcli.runtime.device import memory_errors

    directory = chosen_model(checkpoint)
    findings: list[Finding] = []
    with memory_errors("try --device cpu"), progress("verifying", None, "checks") as advance:
        for finding in verify(directory, chosen_device(device)):
            findings.append(finding)
            advance(1)
    output.deliver(_answer(directory, findings, output))
    failed = [finding.name for finding in findings if finding.held is False]
    if failed:
        raise CheckpointError(
            f"{directory} does not hold what it claims ({', '.join(failed)}): "
            "use an earlier checkpoint, or copy it again"
        )


def _answer(directory: Path, findings: "Sequence[Finding]", output: "Output") -> str:
    if output.form == "json":
        checks = [{"name": f.name, "held": f.held, "detail": f.detail} for f in findings]
        return as_json("eval-verify", {"model": directory.as_posix(), "checks": checks})
    rows = [f"{_WORDS[f.held]:<9}{f.name:<14}{f.detail}" for f in findings]
    return escape_controls("\n".join([directory.as_posix(), *rows]))
