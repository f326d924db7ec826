"""Which run and dataset a command works on; a note on stderr tells what was chosen.

A dataset that has changed since a run was trained on it is refused: its val split may hold text
that the model has learnt.
"""

import shlex
from collections.abc import Callable
from pathlib import Path

from gptcli.checkpoint.config_json import CONFIG_FILE
from gptcli.checkpoint.find import fetch_model, named_model, newest_run, run_of
from gptcli.checkpoint.manifest import check_description
from gptcli.checkpoint.run import read_record
from gptcli.commands.view.terminal import note, warn
from gptcli.data.dataset import Dataset, newest_dataset
from gptcli.errors import CheckpointError
from gptcli.runtime.files import is_there
from gptcli.tokenization.loading import load_tokenizer
from gptcli.tokenization.tokenizer import Tokenizer


def chosen_model(given: Path | None, as_text: str = "") -> Path:
    """The directory of the given model, which may be on the hub; else the newest run.

    ``as_text`` is the command that takes a text, for a word that is no model at all.
    """
    if given is not None:
        is_word = bool(as_text) and given.parent == Path()
        hint = f"; for a text, {as_text} {shlex.quote(str(given))}" if is_word else ""
        return named_model(given, fetching(fetch_model, hint))
    run = newest_run()
    note(f"model: {run.as_posix()} (the newest run)")
    return run


def fetching(fetch: Callable[[str, str], Path], more: str = "") -> Callable[[str, str], Path]:
    """``fetch``, with a note before it that tells the user about the download.

    ``more`` is a hint that follows those that it ends its messages with.
    """

    def fetch_with_note(hub_id: str, hint: str) -> Path:
        note(f"model: looking for {hub_id} on the Hugging Face hub (its local cache first)")
        return fetch(hub_id, hint + more)

    return fetch_with_note


def stored_tokenizer(name: str, pattern: str | None = None) -> Tokenizer:
    """The tokenizer at a path or of a hub id; that of a run is checked to be what was saved."""
    if is_there(name):
        check_description(Path(name))
    return load_tokenizer(name, pattern)


def model_behind(tokenizer: str) -> str | None:
    """The model that a tokenizer was named by: a directory with one, or a hub id; else None."""
    has_model = not is_there(tokenizer) or (Path(tokenizer) / CONFIG_FILE).is_file()
    return tokenizer if has_model else None


def chosen_dataset(given: Path | None) -> Path:
    """The given dataset, else the newest."""
    if given is not None:
        return given
    dataset = newest_dataset()
    note(f"data: {dataset.as_posix()} (the newest dataset)")
    return dataset


def dataset_of(model: Path, given: Path | None) -> Path:
    """The dataset to measure a model on: the given one, else its own, else the newest."""
    run = run_of(model)
    if given is not None or run is None:
        return chosen_dataset(given)
    own = Path(read_record(run).data.directory)
    if not own.is_dir():
        note(f"data: {own.as_posix()}, which the run was trained on, was not found")
        return chosen_dataset(None)
    return own


def check_unchanged(model: Path, dataset: Dataset, allow_changed: bool) -> None:
    """Raise CheckpointError where a dataset has changed since a run was trained on it.

    With ``allow_changed`` a warning tells of it. A dataset in another place than the run's is
    other data, chosen as such; a note tells where it is made of the text that the run has seen.
    """
    run = run_of(model)
    if run is None or dataset.has_identity((trained := read_record(run).data).dataset):
        return
    place, name = dataset.directory.as_posix(), model.as_posix()
    if Path(trained.directory).resolve() != dataset.directory.resolve():
        if (text := trained.source.get("sha256")) and text == dataset.source.get("sha256"):
            note(f"data: {place} is the text that {name} was trained on, prepared differently")
        return
    changed = (
        f"{place} has changed since {name} was trained on it (dataset "
        f"{dataset.identity[:12]}, the run has {trained.dataset[:12]}), so that any split of it "
        "may hold text that the model has learnt"
    )
    if not allow_changed:
        raise CheckpointError(
            f"{changed}: prepare it as it was, take other data, or add --allow-changed-data"
        )
    warn(changed)
