"""Scores of answers, by our reward model and by transformers' on the same directory."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from gptcli.checkpoint.config_json import read_model_config
from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import load_weights, save_weights
from gptcli.config.model import ModelConfig
from gptcli.data.answer_rows import AnswerRows
from gptcli.evaluation.scoring import answer_scores, answer_values
from gptcli.families.registry import FAMILIES, family_of
from gptcli.model.gpt import GPT
from gptcli.model.initialization import model_with, new_model
from gptcli.tokenization.trainer import character_tokenizer

CHARACTERS = "\n !abcdefghijklmnopqrstuvwxyz"
END = len(CHARACTERS) - 1
SIZES = {
    "n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 12, "vocab_size": len(CHARACTERS),
}  # fmt: skip
PROMPTS = [[3, 1, 4], [1], [5, 9, 2, 6, 5], [3, 5, 8]]
ANSWERS = [[9, 7, 9, END], [2, END], [END], [2, 6, 4, 3, 3, 8, END]]
ROWS = AnswerRows.of(PROMPTS, ANSWERS)
SCORERS = ("gpt2", "llama", "qwen3")


def config_of(family: str) -> ModelConfig:
    return ModelConfig(**{**FAMILIES[family].switches, **SIZES}).scoring()


def reward_model(family: str) -> GPT:
    model = new_model(config_of(family), 1).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def save(model: GPT, directory: Path) -> Path:
    directory.mkdir()
    write_description(directory, model.config, character_tokenizer(CHARACTERS))
    save_weights(directory / "model.safetensors", dict(model.named_parameters()), model.config)
    return directory


@pytest.mark.parametrize("family", SCORERS)
def test_transformers_scores_a_padded_batch_as_we_do(family: str, tmp_path: Path) -> None:
    model = reward_model(family)
    assert family_of(model.config).name == family
    directory = save(model, tmp_path / "reward")
    oracle = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    assert type(oracle).__name__.endswith("ForSequenceClassification")
    padding = oracle.config.pad_token_id
    assert padding != END
    ids = torch.from_numpy(ROWS.ids.copy())
    for row, end in enumerate(ROWS.ends):
        ids[row, end:] = padding
    with torch.no_grad():
        ours = answer_scores(model, ROWS)
        theirs = oracle(ids).logits
    assert theirs.shape == (4, 1)
    torch.testing.assert_close(ours, theirs[:, 0], rtol=0, atol=1e-5)
    assert ours.std() > 0.1


@pytest.mark.parametrize("family", SCORERS)
def test_we_score_as_transformers_does_what_it_has_saved(family: str, tmp_path: Path) -> None:
    config = save(reward_model(family), tmp_path / "shape") / "config.json"
    torch.manual_seed(3)
    oracle = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(config))
    oracle.eval().save_pretrained(tmp_path / "theirs")
    ours = model_with(
        read_model_config(tmp_path / "theirs"),
        load_weights(tmp_path / "theirs", read_model_config(tmp_path / "theirs")),
    )
    for row in range(len(ROWS)):
        one = ROWS[row : row + 1]
        with torch.no_grad():
            theirs = oracle(torch.from_numpy(one.ids)).logits[0, 0].item()
            assert answer_scores(ours, one).item() == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("family", [*SCORERS, "nanochat", "gptcli-lecture"])
def test_a_reward_model_is_read_as_it_was_saved(family: str, tmp_path: Path) -> None:
    model = reward_model(family)
    directory = save(model, tmp_path / "reward")
    config = read_model_config(directory)
    assert config == model.config
    # Without its biased head, the lecture's model is one of GPT-2's family.
    others = {"nanochat": "gptcli-custom", "gptcli-lecture": "gpt2"}
    assert family_of(config).name == others.get(family, family)
    weights = load_weights(directory, config)
    for name, parameter in model.named_parameters():
        assert torch.equal(weights[name], parameter.detach()), name


def test_a_batch_is_each_of_its_rows_alone() -> None:
    model = reward_model("llama")
    together, values = answer_scores(model, ROWS), answer_values(model, ROWS)
    for row in range(len(ROWS)):
        one = ROWS[row : row + 1]
        torch.testing.assert_close(together[row], answer_scores(model, one)[0])
        torch.testing.assert_close(values[row, : one.mask.sum()], answer_values(model, one)[0])


def test_a_value_is_read_before_the_token_that_it_precedes() -> None:
    model = reward_model("gpt2")
    values = answer_values(model, ROWS)
    for row, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True)):
        alone = model(torch.tensor([prompt + answer]))[0, :, 0]
        expected = alone[len(prompt) - 1 : -1]
        torch.testing.assert_close(values[row, : len(answer)], expected)
        assert torch.count_nonzero(values[row, len(answer) :]) == 0


@pytest.mark.parametrize("family", [*SCORERS, "nanochat"])
def test_a_new_reward_model_scores_everything_with_0(family: str) -> None:
    assert answer_scores(new_model(config_of(family), 1), ROWS).tolist() == [0.0] * 4
