import io
import json
import re
from collections import Counter

import pytest

from gptcli.config.data import ArithmeticOptions
from gptcli.data.corpus.arithmetic_source import (
    ADDITION,
    CALCULATOR,
    count_exercises,
    exercises,
    write_exercises,
)
from gptcli.data.corpus.worked_steps import worked_steps
from gptcli.errors import UsageError


def made(operators, **options):
    return [
        (one.prompt, one.completion) for one in exercises(operators, ArithmeticOptions(**options))
    ]


def fact(prompt):
    """What the question is about: the same for 2+3= and 3+2=."""
    left, operator, right = re.fullmatch(r"(\d+)([-+*/])(\d+)=", prompt).groups()
    operands = (int(left), int(right))
    return operator, tuple(sorted(operands)) if operator in "+*" else operands


def value(prompt):
    operator, _ = fact(prompt)
    left, right = map(int, re.findall(r"\d+", prompt))
    if operator == "/":
        quotient, rest = divmod(left, right)
        assert rest == 0
        return quotient
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


@pytest.mark.parametrize("operators", [ADDITION, CALCULATOR, "-", "*", "/"])
@pytest.mark.parametrize("digits", [1, 2])
def test_all_problems_are_right_and_none_is_there_twice(operators, digits):
    found = made(operators, digits=digits)
    facts = Counter(fact(prompt) for prompt, _ in found)
    assert set(facts.values()) == {1}
    assert len(found) == count_exercises(operators, digits)
    assert all(int(completion) == value(prompt) for prompt, completion in found)


def test_steps_come_before_the_same_results():
    plain, worked = (made(CALCULATOR, digits=1, steps=steps) for steps in (False, True))
    assert [prompt for prompt, _ in worked] == [prompt for prompt, _ in plain]
    for (prompt, answer), (_, completion) in zip(plain, worked, strict=True):
        steps, _, result = completion.rpartition(":")
        assert result == answer
        assert steps == worked_steps(*split(prompt))


def split(prompt):
    left, operator, right = re.fullmatch(r"(\d+)([-+*/])(\d+)=", prompt).groups()
    return int(left), operator, int(right)


def test_every_sum_of_one_digit_is_there():
    facts = {fact(prompt) for prompt, _ in made(ADDITION, digits=1)}
    assert facts == {("+", (a, b)) for a in range(10) for b in range(a, 10)}


def test_every_exact_quotient_is_there():
    facts = {fact(prompt)[1] for prompt, _ in made("/", digits=1)}
    assert facts == {(a * b, b) for a in range(10) for b in range(1, 10)}


def test_operands_stand_in_either_order():
    prompts = [prompt for prompt, _ in made(ADDITION, digits=2)]
    ordered = Counter(a < b for a, b in (map(int, re.findall(r"\d+", one)) for one in prompts))
    assert 0.4 < ordered[True] / len(prompts) < 0.6


def test_reversed_answers_keep_their_sign_in_front():
    for (prompt, plain), (same, turned) in zip(
        made("-", digits=2), made("-", digits=2, reverse=True), strict=True
    ):
        assert prompt == same
        assert turned == plain[:1].replace("-", "-").rstrip("0123456789") + plain.lstrip("-")[::-1]


@pytest.mark.parametrize("digits", [4, 9])
def test_large_numbers_are_right(digits):
    found = made(CALCULATOR, digits=digits, count=3000)
    assert all(int(completion) == value(prompt) for prompt, completion in found)
    assert len({fact(prompt) for prompt, _ in found}) == 3000
    assert {fact(prompt)[0] for prompt, _ in found} == set(CALCULATOR)


def test_a_smaller_count_is_the_beginning_of_a_larger():
    assert made(CALCULATOR, count=100) == made(CALCULATOR, count=70_000)[:100]


def test_seed_decides():
    assert made(ADDITION, count=50, seed=1) == made(ADDITION, count=50, seed=1)
    assert made(ADDITION, count=50, seed=1) != made(ADDITION, count=50, seed=2)


def test_usual_count_is_a_hundred_thousand_or_all():
    assert len(made(ADDITION)) == 100_000
    assert len(made(ADDITION, digits=2)) == 5050


def test_more_than_there_are_is_refused_with_the_largest_count():
    with pytest.raises(UsageError, match=r"--count 5051 is more than the 5,050 .* --count 5050"):
        made(ADDITION, digits=2, count=5051)


@pytest.mark.parametrize("options", [{"digits": 0}, {"digits": 10}, {"count": 0}])
def test_impossible_options_name_their_flag(options):
    with pytest.raises(UsageError, match=f"--{next(iter(options))}"):
        ArithmeticOptions(**options)


def test_written_lines_are_json():
    file = io.BytesIO()
    about = write_exercises(ADDITION, ArithmeticOptions(digits=2, count=100, reverse=True), file)
    assert about == "100 problems, 2 digits, reversed"
    records = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [(one["prompt"], one["completion"]) for one in records] == made(
        ADDITION, digits=2, count=100, reverse=True
    )
