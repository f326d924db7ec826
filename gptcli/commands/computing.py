"""Where a command computes and how precisely, said aloud; and the model opened there."""

from pathlib import Path
from typing import cast

from gptcli.commands.view.terminal import note
from gptcli.config.checks import check_choice
from gptcli.config.training import Precision
from gptcli.generation.loaded_model import LoadedModel, load_model
from gptcli.runtime.device import choose_device, choose_precision


def chosen_device(asked: str) -> str:
    """The device to compute on, said with the reason."""
    choice = choose_device(asked)
    if asked == "auto":
        note(f"device: {choice.value} ({choice.reason})")
    return choice.value


def chosen_precision(asked: str, device: str) -> Precision:
    """The precision to compute in, said with the reason unless it is the plain one."""
    choice = choose_precision(asked, device)
    if asked != "float32":
        note(f"precision: {choice.value} ({choice.reason})")
    return cast("Precision", choice.value)


def opened_model(
    directory: Path, device: str, precision: str = "float32", quantize: str | None = None
) -> LoadedModel:
    """The model of a directory on the device that is meant, with what is odd about it said."""
    if quantize is not None:
        check_choice("quantize", quantize, ("int8",))
    device = chosen_device(device)
    computed = chosen_precision(precision, device)
    loaded = load_model(directory, device)
    loaded = (loaded if quantize is None else loaded.quantized()).computing_in(computed)
    for text in loaded.notes:
        note(text)
    return loaded
