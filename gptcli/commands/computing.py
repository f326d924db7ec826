"""The device and precision that a command computes with, and models opened for them.

Notes on stderr tell what was chosen and why.
"""

from pathlib import Path
from typing import cast

from gptcli.checkpoint.weights_step import WeightsStep, reason_without_step
from gptcli.commands.view.terminal import note
from gptcli.config.checks import check_choice
from gptcli.config.training import Precision
from gptcli.generation.loaded_model import LoadedModel, load_model
from gptcli.runtime.device import choose_device, choose_precision, memory_errors
from gptcli.runtime.freed_memory import keep_freed_memory


def chosen_device(asked: str) -> str:
    """Choose the device; a note gives the reason. A CPU is told to keep freed memory."""
    choice = choose_device(asked)
    if choice.value == "cpu":
        keep_freed_memory()
    if asked == "auto":
        note(f"device: {choice.value} ({choice.reason})")
    return choice.value


def chosen_precision(asked: str, device: str) -> Precision:
    """Choose the precision; a note gives the reason unless float32 was asked for."""
    choice = choose_precision(asked, device)
    if asked != "float32":
        note(f"precision: {choice.value} ({choice.reason})")
    return cast("Precision", choice.value)


def note_step(directory: Path, step: WeightsStep | None) -> None:
    """Tell the user at which step of a run the weights were saved, or why that is not known."""
    if step is not None:
        note(f"weights: {directory.as_posix()}, {step}")
    elif reason := reason_without_step(directory):
        note(reason)


def opened_model(
    directory: Path, device: str, precision: str = "float32", quantize: str | None = None
) -> LoadedModel:
    """Load a model onto the chosen device; notes tell what is unusual about it."""
    if quantize is not None:
        check_choice("quantize", quantize, ("int8",))
    device = chosen_device(device)
    computed = chosen_precision(precision, device)
    with memory_errors(f"the model in {directory}", "free some memory", device):
        loaded = load_model(directory, device)
        loaded = (loaded if quantize is None else loaded.quantized()).computing_in(computed)
    note_step(directory, loaded.step)
    for text in loaded.notes:
        note(text)
    return loaded
