"""Conversations and ranked answers for the stages after pre-training, as lines of JSON.

Both sources ask the same questions, so that what is held out of one is held out of the other.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Any, BinaryIO

from gptcli.config.checks import counted
from gptcli.config.data import INSTRUCTIONS, PREFERENCES, ArithmeticOptions
from gptcli.data.corpus.short_questions import ShortQuestion, ShortTask, short_tasks
from gptcli.errors import UsageError
from gptcli.runtime.seeds import derive_seed

_SYSTEM = {False: "Answer briefly.", True: "Answer in a sentence."}
_SYSTEM_IN, _SECOND_IN = 5, 10  # one record in so many

Record = dict[str, Any]


def write_instructions(file: BinaryIO, options: ArithmeticOptions) -> str:
    """Write conversations; returns how many. UsageError where there are not so many questions."""
    tasks, n_chats = short_tasks(options.seed), options.count or INSTRUCTIONS
    _check_count(n_chats, tasks)
    _write(file, islice(_instructions(tasks, options.seed), n_chats))
    return counted(n_chats, "chat")


def write_preferences(file: BinaryIO, options: ArithmeticOptions) -> str:
    """Write questions with a better and a worse answer; otherwise as ``write_instructions``."""
    tasks, n_pairs = short_tasks(options.seed), options.count or PREFERENCES
    _check_count(n_pairs, tasks)
    _write(file, islice(_preferences(tasks, options.seed), n_pairs))
    return counted(n_pairs, "pair")


def _check_count(n_records: int, tasks: Sequence[ShortTask]) -> None:
    most = len(tasks) * min(task.size for task in tasks)
    if n_records > most:
        raise UsageError(
            f"--count {n_records} is more than the {most:,} questions that there are: ask for at "
            f"most --count {most}"
        )


def _write(file: BinaryIO, records: Iterable[Record]) -> None:
    for record in records:
        file.write(json.dumps(record).encode("ascii") + b"\n")


def _instructions(tasks: Sequence[ShortTask], seed: int) -> Iterator[Record]:
    """Conversations without end; a longer source begins with a shorter one.

    What stands alone has the first questions of a task, as the preferences have; where there is a
    system message or a second question, they are the last ones.
    """
    n_alone, n_others = [0] * len(tasks), [0] * len(tasks)
    for number, task in enumerate(_tasks_in_turn(seed, len(tasks))):
        has_system = derive_seed(seed, "system", number) % _SYSTEM_IN == 0
        has_second = derive_seed(seed, "second", number) % _SECOND_IN == 0
        if not has_system and not has_second:
            place = n_alone[task]
            n_alone[task] += 1
        else:
            n_others[task] += 1
            place = -n_others[task]
        in_sentence = derive_seed(seed, "style", number) % 2 == 1
        messages = [_turn("system", _SYSTEM[in_sentence])] if has_system else []
        messages += _asked(tasks[task].question(place), in_sentence)
        if has_second:
            following = tasks[(task + 1) % len(tasks)].question(place)
            other = derive_seed(seed, "second style", number) % 2 == 1
            messages += _asked(following, in_sentence if has_system else other)
        yield {"messages": messages}


def _preferences(tasks: Sequence[ShortTask], seed: int) -> Iterator[Record]:
    """Pairs without end: a right sentence is better than all else."""
    for number, task in enumerate(_tasks_in_turn(seed, len(tasks))):
        question = tasks[task].question(number // len(tasks))
        wrong = question.wrong_answer(derive_seed(seed, "wrong", number))
        worse = (question.answer, question.sentence(wrong), wrong)
        rejected = worse[derive_seed(seed, "rejected", number) % len(worse)]
        yield {
            "prompt": [_turn("user", question.text)],
            "chosen": [_turn("assistant", question.sentence(question.answer))],
            "rejected": [_turn("assistant", rejected)],
        }


def _tasks_in_turn(seed: int, n_tasks: int) -> Iterator[int]:
    """Tasks without end, each once in a round, in another order each time."""
    for turn in count():
        order = [derive_seed(seed, "task", turn, task) for task in range(n_tasks)]
        yield from sorted(range(n_tasks), key=order.__getitem__)


def _asked(question: ShortQuestion, in_sentence: bool) -> list[dict[str, str]]:
    answer = question.sentence(question.answer) if in_sentence else question.answer
    return [_turn("user", question.text), _turn("assistant", answer)]


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
