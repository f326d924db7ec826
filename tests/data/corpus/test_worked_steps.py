"""Worked steps: every equation is true, and the result can be read off them."""

import re

import pytest

from gptcli.data.corpus.worked_steps import worked_steps

EXAMPLES = {
    "47+85": "7+5=12,4+8+1=13",
    "5+85": "5+5=10,0+8+1=9",
    "85-47": "15-7=8,7-4=3",
    "12-85": "5-2=3,8-1=7",
    "100-1": "10-1=9,9-0=9,0-0=0",
    "7*8": "7*8=56",
    "47*85": "7*5=35,4*5+3=23,235,7*8=56,4*8+5=37,3760,5+0=5,3+6=9,2+7=9,0+3=3",
    "989/43": "98,2*43=86,8-6=2,9-8=1,129,3*43=129",
    "990/99": "99,1*99=99,9-9=0,9-9=0,0,0*99=0",
    "0/5": "0,0*5=0",
}


@pytest.mark.parametrize("problem", EXAMPLES)
def test_the_steps_are_those_on_paper(problem: str) -> None:
    left, operator, right = re.split(r"([-+*/])", problem)
    assert worked_steps(int(left), operator, int(right)) == EXAMPLES[problem]


def problems(most: int):
    for left in range(0, most, 7):
        for right in range(0, most, 9):
            yield from ((left, operator, right) for operator in "+-*")
            yield left * max(right, 1), "/", max(right, 1)


def test_every_equation_is_true_and_has_few_digits() -> None:
    for left, operator, right in problems(1000):
        for step in worked_steps(left, operator, right).split(","):
            question, _, result = step.partition("=")
            if result:
                assert eval(question) == int(result), step
                if operator in "+-":
                    assert int(result) < 20, "a column at a time"
            else:
                assert step.isdigit(), "a number that is read again"


def units(steps: list[str]) -> int:
    """The number that columns from the right write: their units, and all of the last result."""
    results = [step.partition("=")[2] for step in steps]
    return int(results[-1] + "".join(result[-1] for result in reversed(results[:-1])))


def test_the_columns_write_the_result() -> None:
    for left, operator, right in problems(1000):
        steps = worked_steps(left, operator, right).split(",")
        if operator == "+":
            assert units(steps) == left + right
        if operator == "-":
            assert units(steps) == abs(left - right)
        if operator == "*" and right < 10:
            assert units(steps) == left * right
        if operator == "*" and right > 9:
            last = max(i for i, step in enumerate(steps) if "=" not in step)
            assert units(steps[last + 1 :]) == left * right
        if operator == "/":
            digits = [step[0] for step in steps if "*" in step]
            assert int("".join(digits)) == left // right
