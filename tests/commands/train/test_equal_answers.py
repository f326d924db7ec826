"""A policy whose answers all earn the same is told so once."""

from gptcli.commands.train.equal_answers import EqualAnswers


def said(*figures: tuple[float, float]) -> list[tuple[int, str]]:
    watcher = EqualAnswers()
    notes = [
        watcher.note_after({"zero_groups": zero, "reward": reward}) for zero, reward in figures
    ]
    return [(number, note) for number, note in enumerate(notes, 1) if note]


def test_twenty_iterations_in_a_row_are_noted_once() -> None:
    (only,) = said(*[(1.0, 0.0)] * 19, (0.9, 0.1), *[(1.0, 0.0)] * 50)
    assert only[0] == 40
    assert "too hard" in only[1]
    (only,) = said(*[(1.0, 1.0)] * 20)
    assert "nothing left to learn" in only[1]
    assert said(*[(1.0, 0.0)] * 19) == []


def test_other_objectives_have_no_groups() -> None:
    assert [EqualAnswers().note_after({"loss": 1.0}) for _ in range(30)] == [None] * 30
