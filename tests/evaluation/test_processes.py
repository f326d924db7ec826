"""Waiting for other processes ends, and says what was waited for."""

import socket
from datetime import timedelta

import numpy as np
import pytest
import torch

from gptcli.errors import ProcessLostError
from gptcli.evaluation import processes
from gptcli.evaluation.processes import all_sum, joined
from gptcli.runtime.world import World


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_a_process_that_never_comes_is_waited_for_a_bounded_time(monkeypatch) -> None:
    port = str(free_port())
    given = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(processes, "_LONGEST_WAIT", timedelta(seconds=1))
    with pytest.raises(ProcessLostError, match=f"2 processes did not come.*{port}"), joined():
        pytest.fail("one process is not two")


def test_a_process_that_ends_ends_the_others(monkeypatch) -> None:
    def reset(values: torch.Tensor) -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(torch.distributed, "all_reduce", reset)
    with pytest.raises(ProcessLostError, match=r"ended.*Connection closed by peer") as caught:
        all_sum(World(0, 2), np.zeros(2))
    assert caught.value.exit_code == 75
