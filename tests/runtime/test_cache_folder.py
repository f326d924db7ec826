import sys

import pytest

from gptcli.runtime.cache_folder import cache_folder


@pytest.mark.parametrize(
    ("platform", "part"), [("linux", ".cache"), ("darwin", "Caches"), ("win32", "Local")]
)
def test_cache_is_where_the_system_keeps_caches(monkeypatch, platform, part):
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder().parent.name == part
