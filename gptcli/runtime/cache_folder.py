"""The folder for files that can be downloaded or compiled again."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The folder of gptcli among the caches of this system."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gptcli"
