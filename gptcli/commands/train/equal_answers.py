"""Says once that a policy has nothing to compare: all its answers to a question earn the same."""

from collections.abc import Mapping

_ITERATIONS = 20


class EqualAnswers:
    """Counts the iterations in a row without two answers that earned differently."""

    def __init__(self) -> None:
        self._count = 0

    def note_after(self, values: Mapping[str, float]) -> str | None:
        """What to say after an iteration with these figures; None where there is nothing."""
        self._count = self._count + 1 if values.get("zero_groups") == 1 else 0
        if self._count != _ITERATIONS:
            return None
        return (
            f"for {_ITERATIONS} iterations all answers to the same question have earned the same, "
            f"so nothing is learnt: {_way_out(values['reward'])}"
        )


def _way_out(reward: float) -> str:
    if reward > 0.5:
        return "there is nothing left to learn from this reward"
    return (
        "the questions are too hard for this model yet; train it on the answers first "
        "(--objective lm), or try --reward final or a larger --group-size"
    )
