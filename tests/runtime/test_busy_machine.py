"""Waiting threads sleep where other work needs the cores, and nowhere else."""

import os
import sys

import pytest

from gptcli.runtime import busy_machine
from gptcli.runtime.busy_machine import give_way_if_busy


@pytest.fixture
def machine(monkeypatch):
    def make(load: float, used: float | None) -> None:
        monkeypatch.setattr(busy_machine, "available_cores", lambda: 4)
        monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load), raising=False)
        monkeypatch.setattr(busy_machine, "_cores_in_use", lambda: used)
        monkeypatch.delitem(sys.modules, "torch", raising=False)
        for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
            monkeypatch.setenv(name, "")  # so that it is as before afterwards
            monkeypatch.delenv(name)

    return make


@pytest.mark.parametrize(
    ("load", "used", "gives_way"),
    [(4, 3.5, True), (4, 0.1, False), (0.2, 3.5, False), (4, None, False)],
)
def test_only_present_work_of_others_counts(machine, load, used, gives_way) -> None:
    machine(load, used)
    assert give_way_if_busy() == (used if gives_way else None)
    assert os.environ.get("OMP_WAIT_POLICY") == ("passive" if gives_way else None)


def test_what_the_user_chose_stays(machine, monkeypatch) -> None:
    machine(4, 4)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert give_way_if_busy() is None
    assert os.environ["OMP_WAIT_POLICY"] == "active"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc/stat is Linux's")
def test_cores_in_use_are_those_of_this_machine() -> None:
    assert 0 <= busy_machine._cores_in_use() <= (os.cpu_count() or 1) * 1.5
