"""Memory that was freed is used again, without asking the system for it."""

import resource
import subprocess
import sys

import pytest

from gptcli.runtime import freed_memory

TAKEN = 2**25  # bytes
# How often the system had to bring a page while memory was taken and freed again.
PROGRAM = """
import resource
from gptcli.runtime.freed_memory import keep_freed_memory
keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def use():
    taken = [bytearray(2**20) for _ in range(32)]

use()
before = faults()
use()
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has glibc")
def test_it_is_used_again_unless_the_user_said_otherwise(monkeypatch) -> None:
    for name in freed_memory._SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    pages = TAKEN // resource.getpagesize()
    assert faults_of(PROGRAM) < pages / 8
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert faults_of(PROGRAM) > pages / 2


def faults_of(program: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return int(done.stdout)
