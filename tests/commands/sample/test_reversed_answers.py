"""Answers that are written reversed are shown in the usual order, too."""

from gptcli.commands.sample.reversed_answers import reading_note


def test_an_answer_is_read_from_right_to_left() -> None:
    note = reading_note(["12+34=64\n", "1-40=-93", "9+9=9+9=81:81"])
    assert note.endswith(": 64 means 46, -93 means -39, 81 means 18")


def test_without_an_answer_only_the_order_is_told() -> None:
    for texts in ([], ["12+"], ["1+1=2"]):
        assert reading_note(texts).endswith("from the last to the first")


def test_a_run_of_reversed_problems_says_so_when_it_is_sampled(cli) -> None:
    sizes = ("--n-layer", 1, "--n-head", 1, "--n-embd", 8, "--max-iters", 1, "--batch-size", 2)
    assert cli("prepare", "addition", "--digits", 1, "--reverse").code == 0
    trained = cli("train", *sizes, "--eval-batches", 1)
    assert trained.code == 0, trained.stderr
    sampled = cli("sample", "--prompt", "1+1=", "--max-new-tokens", 2)
    assert "from the last to the first" in sampled.stderr
