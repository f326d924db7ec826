"""Questions and pairs are found where a loop over the documents' marks finds them."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.data import questions as module
from gptcli.data.dataset import Dataset
from gptcli.data.questions import Pairs, Questions, pairs_of, questions_of
from gptcli.errors import DataError

END = 9


@dataclass(frozen=True)
class Marked:
    """Documents of (token, mark), with the reading methods of a split."""

    documents: list[list[tuple[int, int]]]

    @property
    def flat(self) -> np.ndarray:
        return np.array([one for document in self.documents for one in document]).reshape(-1, 2)

    @property
    def n_tokens(self) -> int:
        return len(self.flat)

    @property
    def document_starts(self) -> np.ndarray:
        lengths = np.array([len(document) for document in self.documents], dtype=np.int64)
        return np.cumsum(lengths) - lengths

    def read(self, start: int, length: int) -> np.ndarray:
        return self.flat[start : start + length, 0].astype(np.int64)

    def read_marks(self, start: int, length: int) -> np.ndarray:
        return self.flat[start : start + length, 1].astype(np.uint8)


def question(document: list[tuple[int, int]]) -> tuple[int, int, int] | None:
    """Start, answer and end in one document, by going through it from its end."""
    marks = [mark for _, mark in document]
    end = len(marks)
    while end and marks[end - 1] != 1:
        end -= 1
    answer = end
    while answer and marks[answer - 1] == 1:
        answer -= 1
    if answer == 0:
        return None
    for place in range(answer, end):
        if document[place][0] == END:
            return 0, answer, place + 1
    return 0, answer, end


token = st.tuples(st.sampled_from([1, 2, END]), st.integers(0, 2))
documents = st.lists(st.lists(token, min_size=1, max_size=8), max_size=8)


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch) -> None:
    monkeypatch.setattr(module, "_TOKENS_AT_ONCE", 10)


@settings(max_examples=300, deadline=None)
@given(documents)
def test_a_question_is_a_document_up_to_its_last_answer(found: list) -> None:
    split = Marked(found)
    expected = []
    for start, document in zip(split.document_starts.tolist(), found, strict=True):
        if places := question(document):
            expected.append(tuple(start + place for place in places))
    questions = questions_of(split, {END})
    assert list(zip(questions.starts, questions.answers, questions.ends, strict=True)) == expected
    batch = questions.read(split)
    ids = split.flat[:, 0].tolist()
    assert batch.prompts == [ids[start:answer] for start, answer, _ in expected]
    assert batch.references == [ids[answer:end] for _, answer, end in expected]


parts = st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=100, deadline=None)
@given(st.lists(parts, max_size=8))
def test_a_pair_is_a_prompt_and_its_two_answers(sizes: list) -> None:
    split = Marked([[(1, 0)] * a + [(2, 1)] * b + [(1, 2)] * c for a, b, c in sizes])
    pairs = pairs_of(split)
    starts = split.document_starts
    lengths = np.array(sizes).reshape(-1, 3).cumsum(axis=1)
    np.testing.assert_array_equal(pairs.chosen, starts + lengths[:, 0])
    np.testing.assert_array_equal(pairs.rejected, starts + lengths[:, 1])
    np.testing.assert_array_equal(pairs.ends, starts + lengths[:, 2])
    assert pairs.lengths.tolist() == [a + max(b, c) for a, b, c in sizes]
    assert len(pairs.fitting(6)) == sum(a + max(b, c) <= 6 for a, b, c in sizes)
    asked = np.flatnonzero(pairs.chosen > starts)
    assert same(Questions(starts, pairs.chosen, pairs.rejected).at(asked), questions_of(split))


def same(one: Questions, other: Questions) -> bool:
    names = ("starts", "answers", "ends")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_what_is_no_pair_is_named() -> None:
    whole = [(1, 0), (2, 1), (3, 2)]
    assert isinstance(pairs_of(Marked([whole])), Pairs)
    for broken in ([(1, 0), (2, 1)], [(1, 0), (2, 2)], [(1, 2), (2, 1)]):
        with pytest.raises(DataError, match="document at token 3 is damaged"):
            pairs_of(Marked([whole, broken, whole]))


def test_questions_that_leave_no_room_for_an_answer_are_left_out() -> None:
    split = Marked([[(1, 0)] * n + [(2, 1)] * 2 for n in (3, 5, 4)])
    questions = questions_of(split)
    assert len(questions) == 3
    assert questions.fitting(10, 6).starts.tolist() == [0, 12]
    assert len(questions.fitting(10, 8)) == 0
    assert questions.longest_answer == 2
    rooms = [questions.room_in(context) for context in (64, 12, 9, 7, 6)]
    assert rooms == [8, 7, 4, 2, 2]  # all questions fit, but none beyond the context's own ones


def test_the_questions_of_a_dataset_are_its_records(masked_dataset) -> None:
    dataset = masked_dataset([("1+1=", "2\n"), ("10+1=", "11\n")], per_shard=4)
    batch = questions_of(dataset.train).read(dataset.train)
    assert [dataset.tokenizer.decode(ids) for ids in batch.prompts] == ["1+1=", "10+1="]
    assert [dataset.tokenizer.decode(ids) for ids in batch.references] == ["2\n", "11\n"]
    assert not dataset.train.holds_pairs


def test_marks_tell_chosen_from_rejected_and_only_in_pairs(masked_dataset) -> None:
    dataset = masked_dataset([("ab", "cd")])
    (file,) = (dataset.directory / "train").glob("*.mask")
    file.write_bytes(bytes([0, 1, 1, 2]))
    record = dataset.directory / "dataset.json"
    with pytest.raises(DataError, match="mask byte 2 at byte 3"):
        type(dataset).open(dataset.directory).train.read_mask(0, 4)
    record.write_text(record.read_text().replace('"format"', '"pairs": true, "format"', 1))
    split = type(dataset).open(dataset.directory).train
    assert split.holds_pairs
    assert split.read_marks(0, 4).tolist() == [0, 1, 1, 2]
    assert split.read_mask(0, 4).tolist() == [False, True, True, False]
    assert split.gather_masks(np.array([1]), 3).tolist() == [[True, True, False]]


def test_answers_end_at_the_end_of_a_turn_and_of_a_text(cli, tmp_path) -> None:
    chats = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "y"}]}
        for n in range(20)
    ]
    (tmp_path / "chats.jsonl").write_text("\n".join(map(json.dumps, chats)))
    assert cli("prepare", "chats.jsonl").code == 0
    dataset = Dataset.open(tmp_path / "data" / "chats")
    special = dataset.tokenizer.special_tokens
    assert {special["<|end|>"]} <= dataset.answer_ends <= set(special.values())
    batch = questions_of(dataset.train, dataset.answer_ends).read(dataset.train)
    assert {dataset.tokenizer.decode(ids) for ids in batch.references} == {"y<|end|>"}
    assert all(dataset.tokenizer.decode(ids).endswith("<|assistant|>") for ids in batch.prompts)
