"""What a command works on when the user names nothing, said aloud."""

from pathlib import Path
from typing import TYPE_CHECKING

from gptcli.commands.terminal import note

if TYPE_CHECKING:
    from gptcli.data.preparation.vocabulary import TokenizerChoice


def chosen_model(given: Path | None) -> Path:
    """The model directory that is meant: as given, else the newest run."""
    from gptcli.checkpoint.find import model_directory, newest_run

    if given is not None:
        return model_directory(given)
    run = newest_run()
    note(f"model: {run.as_posix()} (the newest run)")
    return run


def chosen_dataset(given: Path | None) -> Path:
    """The dataset that is meant: as given, else the newest."""
    from gptcli.data.find import newest_dataset

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


def chosen_device(asked: str) -> str:
    """The device to compute on, said with the reason."""
    from gptcli.runtime.device import choose_device

    choice = choose_device(asked)
    note(f"device: {choice.value} ({choice.reason})")
    return choice.value


def tokenizer_choice(
    name: str,
    *,
    vocab_size: int | None = None,
    pattern: str | None = None,
    unk: bool = False,
    special_tokens: tuple[str, ...] = (),
) -> "TokenizerChoice":
    """What ``--tokenizer`` means: a kind to make, or a tokenizer that exists.

    UsageError for a flag that shapes a new tokenizer beside one that exists.
    """
    from dataclasses import replace

    from gptcli.data.tokenization.kinds import parse_spec
    from gptcli.data.tokenization.loading import load_tokenizer
    from gptcli.errors import UsageError

    spec = parse_spec(name)
    if spec is not None:
        if pattern is not None:
            raise UsageError(f"--pattern is for .tiktoken files, not for {name}: leave it out")
        size = spec.vocab_size if vocab_size is None else vocab_size
        return replace(spec, vocab_size=size, unk=unk, special_tokens=special_tokens)
    shaping = {"--vocab-size": vocab_size, "--unk": unk, "--special-token": special_tokens}
    if wrong := [flag for flag, value in shaping.items() if value]:
        raise UsageError(
            f"{wrong[0]} makes a new tokenizer, --tokenizer {name} takes one: leave one out"
        )
    return load_tokenizer(name, pattern)
