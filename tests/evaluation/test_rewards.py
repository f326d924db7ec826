"""Rewards: what counts as right, and what a reward model is asked."""

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM, LlamaForSequenceClassification

from gptcli.data.dataset import Dataset
from gptcli.data.questions import QuestionBatch, questions_of
from gptcli.errors import CheckpointError, DataError, UsageError
from gptcli.evaluation.answering import Answers
from gptcli.evaluation.rewards import (
    ModelReward,
    exact_reward,
    final_reward,
    last_word,
    open_reward,
)
from gptcli.generation.loaded_model import load_model
from gptcli.tokenization.trainer import character_tokenizer

TOKENIZER = character_tokenizer("0123456789abcdefghijklmnopqrstuvwxyz.!? =+;")
ENDS = frozenset({int(TOKENIZER.encode(";")[0])})
CASES = [  # answer, reference, exact, final
    ("72;", "72;", 1, 1),
    (" 72 ;", "72;", 1, 1),
    ("27+45 is 72.;", "72;", 0, 1),
    ("27+45 is 72;", "27+45 is 72.;", 0, 1),
    ("72", "72;", 0, 0),  # cut off
    ("72", "72", 0, 0),
    ("73;", "72;", 0, 0),
    ("72 is it;", "72;", 0, 0),
    (";", "72;", 0, 0),
    (";", ";", 1, 1),
    ("what?!;", "what;", 0, 1),
    ("...;", "..;", 0, 0),
]


def batch() -> tuple[QuestionBatch, Answers]:
    written, right = ([TOKENIZER.encode(case[i]).tolist() for case in CASES] for i in (0, 1))
    ended = np.array([case[0].endswith(";") for case in CASES])
    return QuestionBatch([[0]] * len(CASES), right), Answers(written, ended)


def test_an_answer_is_right_if_it_ends_and_says_what_the_reference_says() -> None:
    for make, column in ((exact_reward, 2), (final_reward, 3)):
        rewards = make(TOKENIZER, ENDS)(*batch())
        assert rewards.tolist() == [case[column] for case in CASES]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", ""),
        (" a b. ", "b"),
        ("(c)", "(c"),
        ("?", "?"),
        ("3.5.", "3.5"),
        ("7+5=12,4+8+1=13:132", "132"),
        ("Answer: b)", "b"),
    ],
)
def test_the_last_word_has_no_punctuation_behind_it(text: str, word: str) -> None:
    assert last_word(text) == word


def test_a_reward_model_scores_the_last_token_and_what_is_cut_off_pays(
    tmp_path, transformers_model
) -> None:
    directory = transformers_model(LlamaForSequenceClassification, TOKENIZER, tmp_path / "judge")
    theirs = LlamaForSequenceClassification.from_pretrained(directory).eval()
    judge = ModelReward(load_model(directory, "cpu"), 1.5)
    questions = QuestionBatch([[1, 2, 3], [4]], [[0], [0]])
    answers = Answers([[5, 6, 7, 8], [9, 10]], np.array([True, False]))
    expected = []
    for prompt, answer, penalty in zip(questions.prompts, answers.ids, (0, 1.5), strict=True):
        with torch.no_grad():
            expected.append(float(theirs(torch.tensor([prompt + answer])).logits) - penalty)
    np.testing.assert_allclose(judge(questions, answers), expected, atol=1e-5)
    long = QuestionBatch([[1] * 14], [[0]]), Answers([[2] * 3], np.array([True]))
    with pytest.raises(DataError, match=r"17 tokens.*context of 16"):
        judge(*long)


def test_a_reward_is_opened_by_its_name(
    masked_dataset, tmp_path, monkeypatch, transformers_model
) -> None:
    dataset = masked_dataset([("1+1=", "2;")])
    transformers_model(LlamaForSequenceClassification, dataset.tokenizer, tmp_path / "judge")
    transformers_model(LlamaForSequenceClassification, TOKENIZER, tmp_path / "foreign")
    transformers_model(LlamaForCausalLM, dataset.tokenizer, tmp_path / "writer")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Dataset, "answer_ends", frozenset(dataset.tokenizer.encode(";").tolist()))
    questions = questions_of(dataset.train, dataset.answer_ends).read(dataset.train)
    answers = Answers(questions.references, np.array([True]))
    assert open_reward("exact", dataset, "cpu", 0.0)(questions, answers).tolist() == [1.0]
    assert open_reward("final", dataset, "cpu", 0.0)(questions, answers).tolist() == [1.0]
    assert open_reward("judge", dataset, "cpu", 0.0)(questions, answers).shape == (1,)
    with pytest.raises(UsageError, match="--reward writer is a language model"):
        open_reward("writer", dataset, "cpu", 0.0)
    with pytest.raises(CheckpointError, match="another tokenizer"):
        open_reward("foreign", dataset, "cpu", 0.0)
    template = tmp_path / "judge" / "chat_template.jinja"
    template.write_text("{{ messages[0].content }}<|end|>")
    dataset.tokenizer = dataset.tokenizer.with_chat_template("{{ messages }}<|end|>")
    with pytest.raises(CheckpointError, match="another chat template"):
        open_reward("judge", dataset, "cpu", 0.0)
