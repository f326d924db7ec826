import os
import signal
import subprocess
import sys

import pytest

from gptcli.errors import ResourceError
from gptcli.runtime.locks import exclusive

_HOLD = """
import sys, time
from pathlib import Path
from gptcli.runtime.locks import exclusive
with exclusive(Path(sys.argv[1]), "data/x"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_second_process_is_told_the_holder_and_a_dead_holder_is_forgotten(tmp_path):
    lock = tmp_path / "new" / ".x.lock"
    command = [sys.executable, "-c", _HOLD, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        refused = pytest.raises(ResourceError, match=f"data/x is in use by process {holder.pid}")
        with refused, exclusive(lock, "data/x"):
            pass
        os.kill(holder.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    with exclusive(lock, "data/x"):
        pass


def test_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(KeyError), exclusive(tmp_path / "lock", "x"):
        raise KeyError
    with exclusive(tmp_path / "lock", "x"):
        pass


def test_lock_below_a_file_is_a_resource_error(tmp_path):
    (tmp_path / "file").touch()
    refused = pytest.raises(ResourceError, match="cannot write")
    with refused, exclusive(tmp_path / "file" / "lock", "x"):
        pass
