"""Exact matches are the problems that greedy generation writes right."""

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.config.sampling import SamplingConfig
from gptcli.data.dataset import Dataset
from gptcli.evaluation import evaluation_pass
from gptcli.evaluation.answering import AnswerWriter
from gptcli.evaluation.evaluation_pass import EvaluationPass
from gptcli.evaluation.exact_match import ExactMatches, Problems, exact_match, problems_of
from gptcli.generation.decoder import Decoder
from gptcli.generation.generate import generate
from gptcli.model.gpt import GPT, next_token_loss
from gptcli.model.initialization import new_model

CONTEXT = 12
ENDS: frozenset[int] = frozenset()


@pytest.fixture
def sums(masked_dataset) -> Dataset:
    pairs = [(f"{a}+{b}=", f"{a + b}\n") for a in range(8) for b in range(a, 8)]
    pairs += [(f"{a}-{b}=", f"{a - b}\n") for a in range(6) for b in range(6)]
    return masked_dataset(pairs)


@pytest.fixture
def half_taught(sums: Dataset) -> GPT:
    """A model that has learnt some of it."""
    return taught(sums, problems_of(sums.train, sums.tokenizer, ENDS, CONTEXT), CONTEXT, 40)


def test_what_counts_is_what_greedy_generation_writes(sums, half_taught) -> None:
    split = sums.train
    problems = problems_of(split, sums.tokenizer, ENDS, CONTEXT)
    found = exact_match(
        EvaluationPass(half_taught, split, "cpu", problems), problems, sums.tokenizer
    )
    right = dict.fromkeys("+-", 0)
    ends = [*split.document_starts.tolist()[1:], split.n_tokens]
    for start, end in zip(split.document_starts.tolist(), ends, strict=True):
        text = sums.tokenizer.decode(split.read(start, end - start))
        question, answer = text[: text.index("=") + 1], text[text.index("=") + 1 :]
        config = SamplingConfig(max_new_tokens=len(answer), temperature=0.0)
        prompt = sums.tokenizer.encode(question).tolist()
        steps = generate(Decoder(half_taught, 1, "cpu"), [prompt], config)
        written = sums.tokenizer.decode([int(step.ids) for step in steps])
        right["+" if "+" in question else "-"] += written == answer
    right["all"] = sum(right.values())
    asked = {"all": 72, "+": 36, "-": 36}
    assert {name: score.n_correct for name, score in found.items()} == right
    assert {name: score.n_problems for name, score in found.items()} == asked
    assert 0 < right["all"] < 72


def test_any_question_counts_up_to_its_end_token(masked_dataset, monkeypatch) -> None:
    monkeypatch.setattr(evaluation_pass, "TOKENS_PER_BATCH", 60)  # several batches
    words = ["ant", "bee", "cat", "deer", "eel", "fox", "gnu", "hen", "ibis", "jay", "kite"]
    asked = [(f"{word}?" * (1 + len(word) % 3), f"{word[::-1]};rest") for word in words]
    dataset = masked_dataset(asked)
    ends = frozenset(dataset.tokenizer.encode(";").tolist())
    problems = problems_of(dataset.train, dataset.tokenizer, ends, 2 * CONTEXT)
    model = taught(dataset, problems, 2 * CONTEXT, 25)
    found = exact_match(
        EvaluationPass(model, dataset.train, "cpu", problems), problems, dataset.tokenizer
    )
    config = SamplingConfig(max_new_tokens=CONTEXT, temperature=0.0)
    prompts = [dataset.tokenizer.encode(prompt).tolist() for prompt, _ in asked]
    answers = AnswerWriter(model, dataset.tokenizer, "cpu", ends, config).answers(prompts)
    written = [dataset.tokenizer.decode(ids) for ids in answers.ids]
    right = sum(
        text == answer.removesuffix("rest")
        for text, (_, answer) in zip(written, asked, strict=True)
    )
    assert found["all"] == ExactMatches(right, len(words))
    assert list(found) == ["all"]
    assert 0 < right < len(words)


def test_what_has_no_questions_has_no_exact_match(masked_dataset, prepare_string, tmp_path) -> None:
    unasked = masked_dataset([("", "b"), ("c", "")], name="unasked")
    assert problems_of(unasked.train, unasked.tokenizer, ENDS, CONTEXT) is None
    plain = prepare_string("1+1=2\n" * 20, tmp_path / "plain")
    assert problems_of(plain.train, plain.tokenizer, ENDS, CONTEXT) is None


def test_problems_that_no_context_holds_are_left_out(masked_dataset) -> None:
    long = masked_dataset([("1+1=", "2\n"), ("111111+111111=", "222222\n")], name="long")
    problems = problems_of(long.train, long.tokenizer, ENDS, 8)
    assert problems.questions.starts.tolist() == [0]
    assert problems_of(long.train, long.tokenizer, ENDS, 2) is None


def taught(dataset: Dataset, problems: Problems, context: int, steps: int) -> GPT:
    """A model that has seen all problems in each of some steps."""
    model = new_model(ModelConfig(1, 2, 32, context, dataset.vocab_size), 1)
    (batch,) = problems.batches(dataset.train, 10**6)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = next_token_loss(model(batch.ids), batch.targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def test_a_result_counts_whatever_the_steps_before_it(masked_dataset) -> None:
    asked = [
        ("1+1=", "1+1=2:2\n"),
        ("2+1=", "2+1=3:3\n"),
        ("3-1=", "3-1=2:2\n"),
        ("12-4=", "8:8\n"),
    ]
    learnt = [("1+1=", "8:2\n"), ("2+1=", "2+1=3:4\n"), ("3-1=", "3-1=2:2\n"), ("12-4=", "1+1=8\n")]
    alphabet = [("8", "0123456789+-=:\n")]
    known = masked_dataset(learnt, alphabet, name="learnt")
    dataset = masked_dataset(asked, alphabet, name="asked")
    context = 2 * CONTEXT
    problems = [problems_of(one.train, one.tokenizer, ENDS, context) for one in (known, dataset)]
    assert problems[1].has_steps
    model = taught(known, problems[0], context, 150)
    found = exact_match(
        EvaluationPass(model, dataset.train, "cpu", problems[1]), problems[1], dataset.tokenizer
    )
    scores = {name: (score.n_correct, score.n_problems) for name, score in found.items()}
    assert scores == {"all": (2, 4), "+": (1, 2), "-": (1, 2)}
