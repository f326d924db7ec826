"""What a command works on when the user names nothing, said aloud."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gptcli.commands.view.terminal import note
from gptcli.config.checks import check_choice

if TYPE_CHECKING:
    from gptcli.config.training import Precision
    from gptcli.generation.loaded_model import LoadedModel


def chosen_model(given: Path | None) -> Path:
    """The model directory that is meant: as given, be it on the hub, else the newest run."""
    from gptcli.checkpoint.find import fetch_model, named_model, newest_run

    if given is not None:
        return named_model(given, fetching(fetch_model))
    run = newest_run()
    note(f"model: {run.as_posix()} (the newest run)")
    return run


def fetching(fetch: Callable[[str, str], Path]) -> Callable[[str, str], Path]:
    """``fetch``, with what it does said."""

    def fetch_aloud(hub_id: str, hint: str) -> Path:
        note(f"model: looking for {hub_id} in the cache of the Hugging Face hub, then on the hub")
        return fetch(hub_id, hint)

    return fetch_aloud


def chosen_dataset(given: Path | None) -> Path:
    """The dataset that is meant: as given, else the newest."""
    from gptcli.data.dataset import newest_dataset

    if given is not None:
        return given
    dataset = newest_dataset()
    note(f"data: {dataset.as_posix()} (the newest dataset)")
    return dataset


def dataset_of(model: Path, given: Path | None) -> Path:
    """The dataset to measure a model on: as given, else its own, else the newest."""
    from gptcli.checkpoint.find import run_of
    from gptcli.checkpoint.run import read_record

    run = run_of(model)
    if given is not None or run is None:
        return chosen_dataset(given)
    own = Path(read_record(run).data.directory)
    if not own.is_dir():
        note(f"data: {own.as_posix()} of the run is not here")
        return chosen_dataset(None)
    return own


def opened_model(
    directory: Path, device: str, precision: str = "float32", quantize: str | None = None
) -> "LoadedModel":
    """The model of a directory on the device that is meant, with what is odd about it said."""
    from gptcli.generation.loaded_model import load_model

    if quantize is not None:
        check_choice("quantize", quantize, ("int8",))
    device = chosen_device(device)
    computed = chosen_precision(precision, device)
    loaded = load_model(directory, device)
    loaded = (loaded if quantize is None else loaded.quantized()).computing_in(computed)
    for text in loaded.notes:
        note(text)
    return loaded


def chosen_precision(asked: str, device: str) -> "Precision":
    """The precision to compute in, said with the reason unless it is the plain one."""
    from gptcli.runtime.device import choose_precision

    choice = choose_precision(asked, device)
    if asked != "float32":
        note(f"precision: {choice.value} ({choice.reason})")
    return cast("Precision", choice.value)


def chosen_device(asked: str) -> str:
    """The device to compute on, said with the reason."""
    from gptcli.runtime.device import choose_device

    choice = choose_device(asked)
    if asked == "auto":
        note(f"device: {choice.value} ({choice.reason})")
    return choice.value
