"""What the commands do with a reward model: it is looked into and counted, and does not write."""

import json
from pathlib import Path

import pytest
import torch

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.model import ModelConfig
from gptcli.families.llama import SWITCHES
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer

TEXT = "abba cab"


@pytest.fixture
def model() -> GPT:
    vocabulary = len(set(TEXT))
    config = ModelConfig(2, 2, 16, block_size=12, vocab_size=vocabulary, **SWITCHES).scoring()
    model = new_model(config, seed=3)
    with torch.no_grad():
        model.score.weight.normal_(generator=torch.Generator().manual_seed(1))
    return model


@pytest.fixture
def directory(model: GPT, tmp_path: Path) -> Path:
    place = tmp_path / "reward"
    place.mkdir()
    write_description(place, model.config, character_tokenizer(TEXT))
    save_weights(place / "model.safetensors", model.state_dict(), model.config)
    return place


@pytest.mark.parametrize(
    "argv",
    [
        ("sample", "reward", "--prompt", "ab"),
        ("eval", "reward", "--text", TEXT),
        ("eval", "reward", "--tasks", "arc_easy"),
        ("inspect-attention", "reward", "--text", TEXT, "--ablate", "all"),
        ("inspect-attention", "reward", "--text", TEXT, "--residual", "c"),
    ],
    ids=lambda argv: " ".join(argv[::2]),
)
def test_what_needs_predictions_is_refused(cli, directory, monkeypatch, argv) -> None:
    monkeypatch.setattr("gptcli.commands.eval.tasks.check_harness", lambda: None)  # it is slow
    outcome = cli(*argv)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "reward is a reward model: it scores answers and does not write" in outcome.stderr


def test_inspecting_it_shows_the_score_of_the_text_up_to_each_token(cli, directory, model) -> None:
    shown = cli("inspect-attention", "reward", "--text", TEXT, "--json")
    tokens = json.loads(shown.stdout)["tokens"]
    ids = torch.tensor([[token["id"] for token in tokens]])
    expected = model(ids)[0, :, 0].tolist()
    assert [token["score"] for token in tokens] == pytest.approx(expected, abs=1e-6)
    assert all(token["predicts"] is None for token in tokens)
    table = cli("inspect-attention", "reward", "--text", TEXT)
    assert f"score {expected[-1]:.2f}" in table.stdout
    page = cli("inspect-attention", "reward", "--text", TEXT, "--format", "html", "--out", "a.html")
    assert (page.code, '"score"' in Path("a.html").read_text(encoding="utf-8")) == (0, True)


def test_it_is_verified_against_transformers_and_counted(cli, directory, model) -> None:
    checked = cli("eval", "reward", "--verify", "--json")
    assert checked.code == 0
    assert {one["name"]: one["held"] for one in json.loads(checked.stdout)["checks"]}["score"]
    counted = json.loads(cli("count-params", "reward", "--json").stdout)
    assert counted["totals"]["exact"] == sum(one.numel() for one in model.parameters())
