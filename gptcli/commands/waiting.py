"""What a command that computes does before it imports torch."""

from gptcli.commands.view.terminal import note
from gptcli.runtime.busy_machine import give_way_if_busy
from gptcli.runtime.world import is_first


def give_way() -> None:
    """Let threads sleep while they wait if this machine is busy, and tell the user that it is."""
    if (used := give_way_if_busy()) is not None and is_first():
        note(f"other work keeps {used:.1f} cores of this machine busy: this may be slow")
