"""What a word on the command line names: a model, a dataset or a file that is here, or a preset.

A word that stands in another place than its own is taken for what it names, and a note says so.
What names nothing is an error with the command to type, and never becomes a prompt.
"""

import difflib
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from gptcli.checkpoint.config_json import CONFIG_FILE
from gptcli.checkpoint.run import RUNS
from gptcli.commands.options import Request, any_of
from gptcli.commands.view.terminal import note
from gptcli.config.objective import REWARD_RULES
from gptcli.data.dataset_record import DATASETS, RECORD_FILE, missing_dataset
from gptcli.errors import UsageError
from gptcli.runtime.files import is_there
from gptcli.runtime.hub import may_be_on_hub

_TEXT_FILES = (
    ".csv", ".gz", ".htm", ".html", ".json", ".jsonl", ".log", ".md", ".parquet", ".py", ".rst",
    ".toml", ".tsv", ".txt", ".xml", ".yaml", ".yml", ".zst",
)  # fmt: skip
_ROOTS = ("/", "./", "../", "~", ".\\", "..\\")

AnyRequest = TypeVar("AnyRequest", bound=Request)


def local_model(word: str) -> Path | None:
    """The model directory that a path, or the name of a run, stands for."""
    return _named(word, RUNS, CONFIG_FILE)


def local_dataset(word: str) -> Path | None:
    """The dataset that a path, or the name of one, stands for."""
    return _named(word, DATASETS, RECORD_FILE)


def is_file(word: str) -> bool:
    """Whether the word is the path of a file that is here."""
    return is_there(word) and Path(word).is_file()


def looks_like_file(word: str) -> bool:
    """Whether the word is written as the path of a text file, which may not be here."""
    if not word or any(map(str.isspace, word)):
        return False
    return word.startswith(_ROOTS) or Path(word).suffix.lower() in _TEXT_FILES


def taken_for(what: str, request: AnyRequest, **changes: object) -> AnyRequest:
    """The request with a word in its own place; a note tells what the word was taken for."""
    note(what)
    return replace(request, **changes)


def understood_checkpoint(
    request: AnyRequest, word: str, file: str, text: str, dataset: str | None = "data"
) -> AnyRequest:
    """The request in which the word for CHECKPOINT stands where it belongs.

    ``text`` is the command that takes a text, as ``gptcli sample --prompt``; ``file`` and
    ``dataset`` are the fields for a file with a text and for a dataset, if there is one.
    UsageError for a word that can be no model.
    """
    directory, data = local_model(word), local_dataset(word)
    if directory is not None:
        if directory == Path(word):
            return request
        return taken_for(f"model: {directory.as_posix()}", request, checkpoint=directory)
    if data is not None:
        if dataset is None:
            raise UsageError(f"{word} is a dataset: give a run, such as runs/{data.name}")
        note_text = f"{data.as_posix()} is a dataset: taken as --{dataset}"
        return taken_for(note_text, request, checkpoint=None, **{dataset: data})
    flag = "--" + file.replace("_", "-")
    if is_file(word):
        note_text = f"{word} is a file: taken as {flag}"
        return taken_for(note_text, request, checkpoint=None, **{file: Path(word)})
    if not is_there(word) and looks_like_file(word):
        raise UsageError(f"{word} does not exist: check the path")
    if not is_there(word) and not may_be_on_hub(word) and Path(word).parent == Path():
        raise UsageError(
            f"{word!r:.60} is no run or other model: for a text, {text} {shlex.quote(word)}"
        )
    if is_there(word) or Path(word).parent == RUNS or not may_be_on_hub(word):
        from gptcli.checkpoint.find import model_directory  # noqa: PLC0415  numpy, for an error

        model_directory(Path(word))
    return request


def check_text(text: str | None, given: str, instead: str) -> None:
    """Raise UsageError for a text that is written as a file, which ``instead`` would read.

    ``given`` is the flag of the text. Files are not read here, so that a text from elsewhere
    can never choose one.
    """
    if text == "-" and given == "--text":
        raise UsageError(f"{given} - is a text of one character: {instead} - reads stdin")
    if text is None or not (is_file(text) or looks_like_file(text)):
        return
    what = "is a file" if is_file(text) else "looks like a file, and none is there"
    raise UsageError(
        f"{given} {text} {what}: give {instead} {shlex.quote(text)}, or pipe a text that is "
        f"written so into {instead} -"
    )


def check_file(path: Path) -> None:
    """Raise UsageError for a file that is not there; ``-`` is stdin."""
    if str(path) != "-" and not is_there(str(path)):
        raise UsageError(f"{path} not found: check the path")


def check_dataset(directory: Path) -> None:
    """Raise UsageError where there is no dataset."""
    if not is_there(str(directory / RECORD_FILE)):
        raise UsageError(missing_dataset(directory))


def _named(word: str, parent: Path, record: str) -> Path | None:
    """The directory with that record: the path itself, or the entry of ``parent``."""
    for directory in (Path(word), parent / word):
        if is_there(str(directory / record)):
            return directory
    return None


def check_reward(name: str) -> None:
    """Raise UsageError for what is neither a rule nor a directory."""
    if name in REWARD_RULES or Path(name).is_dir():
        return
    near = difflib.get_close_matches(name, REWARD_RULES, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UsageError(
        f"--reward {name} is neither a rule nor a directory{hint}: give {any_of(REWARD_RULES)}, or "
        "a run of gptcli train --objective reward"
    )
