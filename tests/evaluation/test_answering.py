"""Answers do not depend on the questions beside them, and see the weights as they are."""

from dataclasses import replace

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.config.sampling import SamplingConfig
from gptcli.evaluation import answering
from gptcli.evaluation.answering import AnswerWriter
from gptcli.generation import decoder
from gptcli.generation.decoder import Decoder
from gptcli.generation.generate import generate
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from gptcli.runtime.seeds import derive_seed
from gptcli.tokenization.trainer import character_tokenizer

TOKENIZER = character_tokenizer("abcdefghij")
ENDS = frozenset({3, 7})
PROMPTS = [[row % 10, *range(row % 7)] for row in range(40)]
SEEDS = [derive_seed(5, row) for row in range(40)]


@pytest.fixture
def gpt() -> GPT:
    model = new_model(ModelConfig(2, 2, 16, 32, 12), 1).eval()
    with torch.no_grad():  # larger weights, so that the context matters
        for parameter in model.parameters():
            parameter.mul_(8)
    return model


def writer(model: GPT, most: int = 12, **options: float) -> AnswerWriter:
    config = SamplingConfig(max_new_tokens=most, **options)
    return AnswerWriter(model, TOKENIZER, "cpu", ENDS, config)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_answer_is_what_the_question_alone_gets(gpt, temperature, monkeypatch) -> None:
    monkeypatch.setattr(answering, "_ENOUGH_ROWS", 5)
    monkeypatch.setattr(answering, "_MOST_ROWS", 16)
    monkeypatch.setattr(answering, "_SPREAD", 1)
    asked = writer(gpt, temperature=temperature)
    found = asked.answers(PROMPTS, SEEDS)
    for row, (prompt, seed) in enumerate(zip(PROMPTS, SEEDS, strict=True)):
        ids = []
        steps = generate(Decoder(gpt, 1, "cpu"), [prompt], asked.config, 10, seeds=[seed])
        for step in steps:
            ids.append(int(step.ids))
            if ids[-1] in ENDS:
                break
        assert found.ids[row] == ids
        assert found.ended[row] == (ids[-1] in ENDS)
    assert len(set(found.lengths.tolist())) > 1
    assert found.ended.sum() > 0
    assert all(number < 10 for ids in found.ids for number in ids)


def test_no_more_is_written_than_the_longest_answer_needs(gpt) -> None:
    calls = []
    asked = replace(writer(gpt, 24), ends=frozenset({0, 2, 4, 6, 8}))
    prompts = [[number] for number in range(8)]
    found = asked.answers(prompts, SEEDS[:8], after_token=lambda: calls.append(1))
    assert len(calls) == found.lengths.max() < 24
    assert found.ended.all()


def test_an_update_of_the_weights_changes_the_next_answers(gpt) -> None:
    asked = writer(gpt)
    before = asked.answers(PROMPTS, SEEDS)
    assert asked.answers(PROMPTS, SEEDS).ids == before.ids
    with torch.no_grad():
        gpt.lm_head.weight[2].neg_()
    assert asked.answers(PROMPTS, SEEDS).ids != before.ids


def test_no_compiled_step_is_looked_for_whose_weights_would_be_old(gpt, monkeypatch) -> None:
    wanted = writer(gpt).answers(PROMPTS, SEEDS).ids
    monkeypatch.setattr(decoder, "find_step", lambda *_: pytest.fail("a compiled step"))
    assert writer(gpt).answers(PROMPTS, SEEDS).ids == wanted


def test_who_gives_up_between_tokens_does(gpt) -> None:
    def give_up() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer(gpt).answers(PROMPTS, after_token=give_up)
    assert writer(gpt).answers([]).ids == []
