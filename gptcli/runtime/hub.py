"""Downloading files from the Hugging Face hub, or from the server in HF_ENDPOINT."""

import contextlib
import os
import re
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TypeVar

from gptcli.errors import ResourceError, UsageError

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_]|[.-](?![.-])){0,95}"
_LONGEST_ASKING, _LONGEST_DOWNLOAD = 20.0, 300.0  # seconds
_LARGE = (".safetensors", ".parquet")  # may take longer, by their size
_SLOWEST = 50_000  # bytes a second
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
Result = TypeVar("Result")
_SILENT = 100  # above every level of logging
_HUB_ID = re.compile(rf"{_PART}(?:/{_PART})?")


def is_hub_id(name: str) -> bool:
    """Whether ``name`` can be a model on the hub: ``gpt2``, ``owner/name``; never a URL or path."""
    return _HUB_ID.fullmatch(name) is not None


def may_be_on_hub(name: str) -> bool:
    """Whether ``name`` may be on the hub: not if its owner is a local folder."""
    parent = Path(name).parent
    return is_hub_id(name) and (parent == Path() or not parent.is_dir())


@dataclass(frozen=True)
class HubFiles:
    """The files to download: the first of the ``choices`` of which a repository has all files.

    Of the files ``beside`` them those are downloaded, too, that are there. ``what`` the files
    are, and what to give ``instead``, are for messages.
    """

    what: str
    choices: tuple[tuple[str, ...], ...]
    instead: str
    beside: tuple[str, ...] = ()


def fetch_files(hub_id: str, wanted: HubFiles, hint: str = "") -> Path:
    """Download the files of the first choice that a model on the hub has; returns their directory.

    It is in the cache of huggingface_hub, which is used alone where the hub cannot be reached.
    ``hint`` ends the error messages. Raises UsageError for a name that is not on the hub or has
    no such files there, ResourceError where they cannot be downloaded.
    """
    if not is_hub_id(hub_id):
        raise UsageError(f"{hub_id!r} is not the name of a model on the hub{hint}")
    telemetry_off()
    with quietly():
        problem = _problem_of_asking(hub_id, wanted, hint)
        for choice in wanted.choices:
            directory = _download(hub_id, choice, is_offline=problem is not None)
            if directory:
                if problem is None:
                    _download_beside(hub_id, wanted.beside)
                return directory
    if problem:
        raise ResourceError(
            f"{hub_id}: no such path here, and no copy of it from {endpoint()}, {problem}: check "
            f"the network and HF_ENDPOINT, or give {wanted.instead}{hint}"
        )
    names = ", ".join(" + ".join(choice) for choice in wanted.choices)
    raise UsageError(
        f"{hub_id} at {endpoint()} has no {wanted.what} ({names}): choose another{hint}"
    )


def _problem_of_asking(hub_id: str, wanted: HubFiles, hint: str) -> str | None:
    """Ask the hub for the model; returns the reason where that is impossible, else None.

    Without this, a download would try for 20 seconds before it uses the cache.
    """
    from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(hub_id, wanted.choices[0][0], endpoint=endpoint())
    try:
        within(_LONGEST_ASKING, partial(get_hf_file_metadata, url, timeout=10))
    except errors.GatedRepoError:
        return "which needs permission first (ask there, then `hf auth login`)"
    except errors.RepositoryNotFoundError:
        raise UsageError(
            f"no {wanted.what} {hub_id!r}: no such path here and no such model at "
            f"{endpoint()}{hint or '; if it is private, `hf auth login` first'}"
        ) from None
    except errors.EntryNotFoundError:  # the model is there
        return None
    except errors.OfflineModeIsEnabled:
        return "which HF_HUB_OFFLINE forbids asking"
    except Exception as error:  # networks and the library's HTTP client raise many kinds
        return f"which cannot be asked ({reason(error)})"
    return None


def _download(hub_id: str, files: tuple[str, ...], is_offline: bool) -> Path | None:
    """Download the files; returns their directory, None where one is missing.

    If ``is_offline``, files are looked for in the cache alone.
    """
    from huggingface_hub import errors, hf_hub_download, hf_hub_url, try_to_load_from_cache

    def download(file: str) -> Path:
        known = try_to_load_from_cache(hub_id, file)
        path = hf_hub_download(hub_id, file, endpoint=endpoint(), local_files_only=is_offline)
        if path != known:
            check_sha256(Path(path))
        return Path(path)

    def longest(file: str) -> float:
        if is_offline or not file.endswith(_LARGE):
            return _LONGEST_DOWNLOAD
        return longest_download(hf_hub_url(hub_id, file, endpoint=endpoint()))

    try:
        paths = [within(longest(file), partial(download, file)) for file in files]
    except Exception as error:
        is_lost = isinstance(error, errors.LocalEntryNotFoundError) and not is_offline
        if isinstance(error, errors.EntryNotFoundError) and not is_lost:
            return None
        raise ResourceError(
            f"{hub_id}: its {' and '.join(files)} cannot be downloaded from {endpoint()} "
            f"({reason(error)}): try again"
        ) from None
    return paths[0].parent


def longest_download(url: str) -> float:
    """Seconds after which a download is given up, by the size that the server announces."""
    from huggingface_hub import get_hf_file_metadata

    try:
        size = within(_LONGEST_ASKING, partial(get_hf_file_metadata, url, timeout=10)).size
    except Exception:  # the download itself will say what is wrong
        size = None
    return _LONGEST_DOWNLOAD + (size or 0) / _SLOWEST


def check_sha256(path: Path) -> None:
    """Remove a file just downloaded, and raise ResourceError, if it is not what was announced.

    The hub announces the sha256 of large files as their tags, by which the cache names them.
    """
    from gptcli.runtime.hashing import sha256_of  # noqa: PLC0415  hashlib slows every start

    blob = path.resolve()
    if _SHA256.fullmatch(blob.name) and sha256_of(blob) != blob.name:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise ResourceError(f"{path.name} arrived damaged: its sha256 is not the announced one")


def within(seconds: float, call: Callable[[], Result]) -> Result:
    """The result of a call that must end in time; TimeoutError after ``seconds``.

    The library's own limits are for each part of an answer, so that a server which sends one byte
    now and then is waited for without end.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # the call's own
            raise
        raise TimeoutError(f"it did not answer within {seconds:g} s") from None


def _download_beside(hub_id: str, files: tuple[str, ...]) -> None:
    """Download those of the files that are there; none of which the cache knows is asked for."""
    from huggingface_hub import try_to_load_from_cache

    for file in files:
        if try_to_load_from_cache(hub_id, file) is None:
            _download(hub_id, (file,), is_offline=False)


def telemetry_off() -> None:
    """Turn the library's telemetry off: it reads this when it is imported."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def endpoint() -> str:
    """The address of the hub."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def reason(error: Exception) -> str:
    """What an error says, on one line of at most 120 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:119] + "\u2026"


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Silence the library's progress bars, log lines and warnings: gptcli has its own messages."""
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
            with _checked_tags():
                yield
        finally:
            logging.set_verbosity(verbosity)
            if showed_bars:
                enable_progress_bars()


@contextlib.contextmanager
def _checked_tags() -> Iterator[None]:
    """Refuse tags of files that are not names: the library makes paths in its cache of them."""
    from huggingface_hub import file_download

    read_tag = file_download._normalize_etag

    def checked(etag: str | None) -> str | None:
        tag = read_tag(etag)
        if tag is not None and not _TAG.fullmatch(tag):
            raise ResourceError(f"the server tags a file with {tag[:60]!r}, which is not a name")
        return tag

    file_download._normalize_etag = checked
    try:
        yield
    finally:
        file_download._normalize_etag = read_tag
