"""The built-in chats and pairs, solved again here from the words of their questions."""

import io
import json
import re
from collections import Counter

import pytest

from gptcli.config.data import ArithmeticOptions
from gptcli.data.corpus.instruction_source import write_instructions, write_preferences
from gptcli.data.corpus.short_questions import short_tasks
from gptcli.errors import UsageError

N = 7_000
SOLVERS = [
    ("+", r"What is (\d+)\+(\d+)\?|Add (\d+) and (\d+)\.|(\d+)\+(\d+)=\?", lambda a, b: a + b),
    ("-", r"What is (\d+)-(\d+)\?|(\d+)-(\d+)=\?", lambda a, b: a - b),
    ("-", r"Take (\d+) from (\d+)\.", lambda b, a: a - b),
    (
        "backwards",
        r"Write (\w+) backwards\.|Reverse (\w+)\.|What is (\w+) backwards\?",
        lambda word: word[::-1],
    ),
    (
        "capitals",
        r"Write (\w+) in capitals\.|Capitalize (\w+)\.|What is (\w+) in capitals\?",
        str.upper,
    ),
    (
        "sorted",
        r"Sort the letters of (\w+)\.|Sort (\w+)\.|What is (\w+) sorted\?",
        lambda word: "".join(sorted(word)),
    ),
    (
        "last",
        r"Name the last letter of (\w+)\.|Which letter ends (\w+)\?|How ends (\w+)\?",
        lambda word: word[-1],
    ),
    (
        "length",
        r"Count the letters of (\w+)\.|How many letters has (\w+)\?|How long is (\w+)\?",
        len,
    ),
]
NAMES = {name for name, _, _ in SOLVERS}


def solved(question: str) -> tuple[str, str]:
    """The task, and the answer."""
    for name, pattern, solve in SOLVERS:
        if found := re.fullmatch(pattern, question):
            parts = [part for part in found.groups() if part is not None]
            return name, str(solve(*(int(one) if one.isdigit() else one for one in parts)))
    raise AssertionError(question)


def made(write, **options):
    file = io.BytesIO()
    write(file, ArithmeticOptions(**options))
    return [json.loads(line) for line in file.getvalue().splitlines()]


@pytest.fixture(scope="module")
def chats():
    return [record["messages"] for record in made(write_instructions, count=N)]


@pytest.fixture(scope="module")
def pairs():
    return made(write_preferences, count=N)


def is_sentence(answer: str) -> bool:
    return answer.endswith(".")


def short(answer: str) -> str:
    return answer.rstrip(".").rpartition(" ")[2]


def prompt_of(messages) -> str:
    return json.dumps(messages[:-1])


def test_every_answer_is_right_and_short_or_a_sentence_that_ends_with_it(chats):
    asked = Counter()
    for messages in chats:
        turns = [one for one in messages if one["role"] != "system"]
        assert [one["role"] for one in turns] == ["user", "assistant"] * (len(turns) // 2)
        for question, answer in zip(turns[::2], turns[1::2], strict=True):
            _, right = solved(question["content"])
            assert short(answer["content"]) == right
            assert (answer["content"] == right) != is_sentence(answer["content"])
            asked[is_sentence(answer["content"])] += 1
    assert 0.45 < asked[True] / asked.total() < 0.55


def test_system_messages_and_second_questions_are_as_many_as_said(chats):
    with_system = [one for one in chats if one[0]["role"] == "system"]
    assert 0.18 < len(with_system) / N < 0.22
    for system, *turns in with_system:
        wants = {"Answer briefly.": False, "Answer in a sentence.": True}[system["content"]]
        assert all(is_sentence(one["content"]) == wants for one in turns[1::2])
    second = [one for one in chats if sum(turn["role"] == "user" for turn in one) == 2]
    assert 0.08 < len(second) / N < 0.12


def test_tasks_are_equal_parts_and_no_prompt_is_there_twice(chats, pairs):
    first = [next(one["content"] for one in chat if one["role"] == "user") for chat in chats]
    assert Counter(solved(question)[0] for question in first) == dict.fromkeys(NAMES, N // 7)
    assert len({prompt_of(chat) for chat in chats}) == N
    assert len({prompt_of([*pair["prompt"], None]) for pair in pairs}) == N


def test_a_pair_prefers_the_right_sentence_to_all_else(pairs):
    kinds = Counter()
    for pair in pairs:
        (question,), (chosen,), (rejected,) = pair["prompt"], pair["chosen"], pair["rejected"]
        _, right = solved(question["content"])
        assert is_sentence(chosen["content"])
        assert short(chosen["content"]) == right
        worse = rejected["content"]
        assert worse != chosen["content"]
        kinds[is_sentence(worse), short(worse) == right] += 1
    assert kinds.keys() == {(False, True), (True, False), (False, False)}
    assert all(0.3 < number / N < 0.37 for number in kinds.values())


def test_a_wrong_answer_is_nearly_right(pairs):
    for pair in pairs:
        _, right = solved(pair["prompt"][0]["content"])
        wrong = short(pair["rejected"][0]["content"])
        if right.lstrip("-").isdigit():
            digits, others = right.lstrip("-"), wrong.lstrip("-").zfill(len(right.lstrip("-")))
            near = abs(int(wrong) - int(right)) in (0, 1, 10)
            assert near or sorted(others) == sorted(digits)
        else:
            assert len(wrong) == len(right)
            assert sum(a != b for a, b in zip(wrong, right, strict=True)) in (0, 1, 2)


def test_questions_of_pairs_are_those_that_stand_alone_in_chats(chats):
    alone = {prompt_of(chat) for chat in chats if len(chat) == 2}
    others = [one["content"] for chat in chats if len(chat) > 2 for one in chat]
    prompts = [pair["prompt"] for pair in made(write_preferences, count=N // 2)]
    assert all(json.dumps(one) in alone for one in prompts)
    assert not {one[0]["content"] for one in prompts}.intersection(others)


@pytest.mark.parametrize("write", [write_instructions, write_preferences])
def test_a_smaller_count_is_the_beginning_of_a_larger_and_the_seed_decides(write):
    longer = made(write, count=50)
    assert made(write, count=20) == longer[:20]
    assert made(write, count=50, seed=2) != longer


def test_all_questions_of_a_task_differ():
    for task in short_tasks(3):
        assert len({task.question(number).text for number in range(task.size)}) == task.size
        assert task.question(-1) == task.question(task.size - 1)


def test_more_than_there_are_is_refused_with_the_largest_count():
    most = 7 * min(task.size for task in short_tasks(1))
    with pytest.raises(UsageError, match=f"ask for at most --count {most}"):
        made(write_instructions, count=most + 1)
