"""Files by name from the Hugging Face hub, or from a server that HF_ENDPOINT names."""

import contextlib
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gptcli.errors import ResourceError, UsageError

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_]|[.-](?![.-])){0,95}"
_SILENT = 100  # above every level of logging
_HUB_ID = re.compile(rf"{_PART}(?:/{_PART})?")


def is_hub_id(name: str) -> bool:
    """Whether ``name`` can be a model on the hub: ``gpt2``, ``owner/name``; never a URL or path."""
    return _HUB_ID.fullmatch(name) is not None


def may_be_on_hub(name: str) -> bool:
    """Whether ``name`` is for the hub: never where its owner is a folder here."""
    parent = Path(name).parent
    return is_hub_id(name) and (parent == Path() or not parent.is_dir())


@dataclass(frozen=True)
class HubFiles:
    """What a repository is asked for: the first of the ``choices`` that it has all files of.

    ``what`` they make and what to give ``instead`` stand in messages.
    """

    what: str
    choices: tuple[tuple[str, ...], ...]
    instead: str


def fetch_files(hub_id: str, wanted: HubFiles, hint: str = "") -> Path:
    """A directory with the files of the first choice that the model on the hub has.

    It lies in the cache of huggingface_hub, which is all there is to use where the hub cannot
    be reached. ``hint`` ends the messages of failure. Raises UsageError for a name that is not
    on the hub or has no such files there, ResourceError where they cannot be had.
    """
    if not is_hub_id(hub_id):
        raise UsageError(f"{hub_id!r} is no name of a model on the hub{hint}")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported
    with _quiet():
        problem = _problem_of_asking(hub_id, wanted, hint)
        for choice in wanted.choices:
            directory = _download(hub_id, choice, is_offline=problem is not None)
            if directory:
                return directory
    if problem:
        raise ResourceError(
            f"{hub_id}: no such path here, and no copy of it from {_endpoint()}, {problem}: check "
            f"the network and HF_ENDPOINT, or give {wanted.instead}{hint}"
        )
    names = ", ".join(" + ".join(choice) for choice in wanted.choices)
    raise UsageError(
        f"{hub_id} at {_endpoint()} has no {wanted.what} ({names}): choose another{hint}"
    )


def _problem_of_asking(hub_id: str, wanted: HubFiles, hint: str) -> str | None:
    """Why the hub cannot be asked for the model; None where it can.

    Asked once and here: downloading tries for 20 seconds before it takes its copy.
    """
    from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(hub_id, wanted.choices[0][0], endpoint=_endpoint())
    try:
        get_hf_file_metadata(url, timeout=10)
    except errors.GatedRepoError:
        return "which asks for permission first (there, then `hf auth login`)"
    except errors.RepositoryNotFoundError:
        raise UsageError(
            f"no {wanted.what} {hub_id!r}: no such path here and no such model at "
            f"{_endpoint()}{hint or '; if it is private, `hf auth login` first'}"
        ) from None
    except errors.EntryNotFoundError:  # the model is there
        return None
    except errors.OfflineModeIsEnabled:
        return "which HF_HUB_OFFLINE forbids to ask"
    except Exception as error:  # whatever a network and the library's HTTP client come up with
        return f"which cannot be asked ({_reason(error)})"
    return None


def _download(hub_id: str, files: tuple[str, ...], is_offline: bool) -> Path | None:
    """The directory of the files; None where one is not there, or not in the cache if offline."""
    from huggingface_hub import errors, hf_hub_download

    try:
        paths = [
            hf_hub_download(hub_id, file, endpoint=_endpoint(), local_files_only=is_offline)
            for file in files
        ]
    except Exception as error:
        is_lost = isinstance(error, errors.LocalEntryNotFoundError) and not is_offline
        if isinstance(error, errors.EntryNotFoundError) and not is_lost:
            return None
        raise ResourceError(
            f"{hub_id}: its {' and '.join(files)} cannot be had from {_endpoint()} "
            f"({_reason(error)}): try again"
        ) from None
    return Path(paths[0]).parent


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:119] + "\u2026"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's bars, log lines and warnings away: we say what there is to say."""
    from huggingface_hub.utils import logging
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    verbosity, showed_bars = logging.get_verbosity(), not are_progress_bars_disabled()
    logging.set_verbosity(_SILENT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disable_progress_bars()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if showed_bars:
                enable_progress_bars()
