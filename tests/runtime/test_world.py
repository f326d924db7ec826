"""Which process this is, read from torchrun's environment."""

import subprocess
import sys

from gptcli.runtime.world import ALONE, World, launched


def test_rank_and_size_come_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert launched() == World(2, 4)
    monkeypatch.delenv("RANK")
    monkeypatch.delenv("WORLD_SIZE")
    assert launched() == ALONE


def test_asking_needs_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from gptcli.runtime.world import launched; launched(); "
        "sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
