"""The memory that is left: the least of what the system and the control groups allow."""

from pathlib import Path

import pytest

from gptcli.runtime.host_memory import free_host_memory

GIB = 2**30


def put(root: Path, path: str, content: object) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"{content}\n")


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A machine with 8 GiB that can be taken and 1 GiB of free swap."""
    lines = ["MemTotal: 16777216 kB", f"MemAvailable: {8 * 2**20} kB", f"SwapFree: {2**20} kB"]
    put(tmp_path, "proc/meminfo", "\n".join(lines))
    return tmp_path


def test_without_control_groups_it_is_what_the_system_has_left(system: Path) -> None:
    assert free_host_memory(system) == 9 * GIB


@pytest.mark.parametrize("place", ["", "jobs/one/"])
def test_a_container_has_what_its_group_or_one_around_it_has_left(system: Path, place) -> None:
    put(system, "proc/self/cgroup", "0::/jobs/one")
    group = f"sys/fs/cgroup/{place}"
    put(system, f"{group}memory.max", 4 * GIB)
    put(system, f"{group}memory.current", 3 * GIB)
    put(system, f"{group}memory.stat", f"anon 5\ninactive_file {GIB}")
    assert free_host_memory(system) == 2 * GIB


def test_the_first_version_of_control_groups_is_read_too(system: Path) -> None:
    put(system, "proc/self/cgroup", "9:cpuset,cpu:/\n4:memory:/a\n0::/")
    put(system, "sys/fs/cgroup/memory/a/memory.limit_in_bytes", 2 * GIB)
    put(system, "sys/fs/cgroup/memory/a/memory.usage_in_bytes", GIB)
    assert free_host_memory(system) == GIB


def test_a_group_without_a_limit_changes_nothing(system: Path) -> None:
    put(system, "proc/self/cgroup", "0::/\nnonsense")
    put(system, "sys/fs/cgroup/memory.max", "max")
    put(system, "sys/fs/cgroup/memory.current", GIB)
    assert free_host_memory(system) == 9 * GIB


def test_a_system_that_tells_less_gives_all_its_memory_or_nothing(tmp_path, monkeypatch) -> None:
    whole = free_host_memory(tmp_path)
    assert whole is None or whole >= (free_host_memory() or 0) > 0
    monkeypatch.delattr("os.sysconf_names", raising=False)
    assert free_host_memory(tmp_path) is None
