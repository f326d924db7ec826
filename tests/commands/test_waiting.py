"""What is said of a machine that is busy with other work."""

import pytest

from gptcli.commands import waiting


@pytest.mark.parametrize(("rank", "says"), [(None, True), ("0", True), ("1", False)])
def test_of_several_processes_the_first_alone_says_so(monkeypatch, capsys, rank, says) -> None:
    monkeypatch.setattr(waiting, "give_way_if_busy", lambda: 1.2)
    if rank is None:
        monkeypatch.delenv("RANK", raising=False)
    else:
        monkeypatch.setenv("RANK", rank)
    waiting.give_way()
    assert ("1.2 cores of this machine busy" in capsys.readouterr().err) is says
