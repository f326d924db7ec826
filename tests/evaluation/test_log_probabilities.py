"""Log-probabilities of answers: those of transformers, whatever else is in the batch."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from gptcli.checkpoint.config_json import model_config_json
from gptcli.checkpoint.layout import file_layout
from gptcli.config.model import ModelConfig
from gptcli.data.answer_rows import AnswerRows
from gptcli.evaluation.log_probabilities import answer_log_probabilities
from gptcli.families.llama import SWITCHES
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model

N_IDS = 19  # the model has 24
PROMPTS = [[3, 1, 4], [1], [5, 9, 2, 6, 5], [3, 5, 8]]
ANSWERS = [[9, 7, 9], [2, 3, 8, 4], [6], [2, 6, 4, 3, 3, 8]]
ROWS = AnswerRows.of(PROMPTS, ANSWERS)


@pytest.fixture(scope="module")
def model() -> GPT:
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 12, "vocab_size": 24}
    model = new_model(ModelConfig(**sizes, **{**SWITCHES, "tied": False}), 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5 if parameter.ndim == 2 else 1)  # far from equal probabilities
    return model


def oracle_of(model: GPT) -> LlamaForCausalLM:
    oracle = LlamaForCausalLM(LlamaConfig(**model_config_json(model.config)))
    weights, state = dict(model.named_parameters()), {}
    for entry in file_layout(model.config):
        rows = slice(entry.first_row, entry.first_row + entry.shape[0])
        state[entry.name] = weights[entry.parameter].detach()[rows]
    oracle.load_state_dict(state)
    return oracle.eval()


def test_they_are_those_of_transformers_among_the_ids_of_the_tokenizer(model: GPT) -> None:
    oracle = oracle_of(model)
    found = answer_log_probabilities(model, ROWS, N_IDS)
    assert found.shape == (4, 6)
    assert found.dtype == torch.float32
    for row, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True)):
        with torch.no_grad():
            logits = oracle(torch.tensor([prompt + answer])).logits[0, :, :N_IDS].double()
        table = logits.log_softmax(-1)
        expected = [table[len(prompt) - 1 + t, token].item() for t, token in enumerate(answer)]
        assert found[row, : len(answer)].tolist() == pytest.approx(expected, abs=1e-5)
        assert torch.count_nonzero(found[row, len(answer) :]) == 0


def test_ids_without_a_token_have_no_share(model: GPT) -> None:
    found = answer_log_probabilities(model, ROWS[2:3], N_IDS, never=(0, 12, 18))
    with torch.no_grad():
        logits = model(torch.from_numpy(ROWS.ids[2:3]))[0, len(PROMPTS[2]) - 1, :N_IDS].double()
    known = [number for number in range(N_IDS) if number not in (0, 12, 18)]
    expected = logits[ANSWERS[2][0]] - logits[known].logsumexp(0)
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)
    found.sum().backward()
    assert all(bool(one.grad.isfinite().all()) for one in model.parameters())
    model.zero_grad()


def test_a_batch_is_each_of_its_rows_alone(model: GPT) -> None:
    together = answer_log_probabilities(model, ROWS, N_IDS)
    for row in range(len(ROWS)):
        alone = answer_log_probabilities(model, ROWS[row : row + 1], N_IDS)
        torch.testing.assert_close(together[row, : alone.shape[1]], alone[0])


def test_learning_from_it_and_only_asking_give_the_same_digits(model: GPT) -> None:
    with_gradient = answer_log_probabilities(model, ROWS, N_IDS)
    with torch.no_grad():
        without = answer_log_probabilities(model, ROWS, N_IDS)
    assert with_gradient.requires_grad
    assert torch.equal(with_gradient, without)


def test_the_gradient_is_that_of_the_whole_table(model: GPT) -> None:
    answer_log_probabilities(model, ROWS, N_IDS).sum().backward()
    ours = {name: one.grad.clone() for name, one in model.named_parameters()}
    model.zero_grad()
    total = torch.zeros(())
    for prompt, answer in zip(PROMPTS, ANSWERS, strict=True):
        ids = torch.tensor(prompt + answer)
        table = model(ids[None])[0, :-1, :N_IDS].log_softmax(-1)
        total = total + table.gather(1, ids[1:, None])[len(prompt) - 1 :].sum()
    total.backward()
    for name, one in model.named_parameters():
        torch.testing.assert_close(ours[name], one.grad, rtol=1e-4, atol=1e-5)
    model.zero_grad()


def test_the_head_reads_the_answers_alone(model: GPT) -> None:
    seen = []
    hook = model.lm_head.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[0]))
    answer_log_probabilities(model, ROWS, N_IDS)
    hook.remove()
    assert seen == [sum(map(len, ANSWERS))]
