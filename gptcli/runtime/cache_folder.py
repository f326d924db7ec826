"""Where what can be had again is kept."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where this system keeps what can be had again, in a folder of our own."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gptcli"
