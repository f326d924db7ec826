"""Tiny Shakespeare: downloaded once, checked against its known sha256, kept in the user's cache."""

import contextlib
import hashlib
import os
import time
from pathlib import Path

from gptcli.errors import ResourceError
from gptcli.runtime.cache_folder import cache_folder
from gptcli.runtime.files import write_bytes

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
URL_VARIABLE = "GPTCLI_SHAKESPEARE_URL"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
N_BYTES = 1_115_394

_SILENCE_SECONDS = 15.0
_TOTAL_SECONDS = 120.0


def read_shakespeare() -> bytes:
    """The text in UTF-8, from the cache or from ``GPTCLI_SHAKESPEARE_URL`` (a mirror) or GitHub.

    Raises ResourceError, with the way to do it by hand, where neither gives the right bytes.
    """
    cached = cache_folder() / "tinyshakespeare.txt"
    content = _from_cache(cached)
    if content is None:
        content = _download(os.environ.get(URL_VARIABLE) or URL)
        with contextlib.suppress(ResourceError, OSError):  # a read-only home costs only time
            cached.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(cached, content)
    return content


def _from_cache(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == SHA256 else None


def _download(url: str) -> bytes:
    remedy = (
        "download it elsewhere and type `gptcli prepare FILE`, or type `gptcli prepare python`, "
        "which needs no network"
    )
    try:
        content = _fetch(url)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ResourceError(f"cannot download {url} ({reason}): {remedy}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ResourceError(
            f"{url} is not Tiny Shakespeare (sha256 {found[:12]}, not {SHA256[:12]}): {remedy}"
        )
    return content


def _fetch(url: str) -> bytes:
    """At most one byte more than expected; OSError or ValueError for whatever goes wrong."""
    from http.client import HTTPException
    from urllib.request import urlopen

    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{URL_VARIABLE} must be an http or https address")
    deadline = time.monotonic() + _TOTAL_SECONDS
    content = b""
    try:
        with urlopen(url, timeout=_SILENCE_SECONDS) as response:
            while len(content) <= N_BYTES:
                part: bytes = response.read1(N_BYTES + 1 - len(content))
                if not part:
                    break
                content += part
                if time.monotonic() > deadline:
                    raise TimeoutError(f"slower than {_TOTAL_SECONDS:.0f} s")
    except HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    return content
