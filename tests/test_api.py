"""The Python interface: the README's lines run, and its figures are those of transformers."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptcli.api import OpenRun, open_run
from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.model import ModelConfig
from gptcli.data.chat.chat_template import BUILT_IN_TEMPLATE, BUILT_IN_TOKENS
from gptcli.errors import DataError, UsageError
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer

README = Path(__file__).parents[1] / "README.md"
TEXT = "ROMEO: O, she doth teach the torches to burn bright!\nTo be, or not to be\n"
TINY = ("--n-layer", 2, "--n-head", 2, "--n-embd", 16, "--block-size", 64, "--batch-size", 4)


@pytest.fixture
def run(cli, tmp_path: Path) -> OpenRun:
    (tmp_path / "input.txt").write_text(TEXT * 20)
    assert cli("prepare", "input.txt").code == 0
    assert cli("train", *TINY, "--max-iters", 5, "--precision", "float32").code == 0
    return open_run("runs/input", device="cpu")


def test_the_lines_in_the_readme_run(run: OpenRun, capsys) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    (lines,) = [block for block in blocks if "gptcli.api" in block]
    exec(compile(lines, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("ROMEO:")


def test_text_and_figures_are_those_of_the_commands(run: OpenRun, cli) -> None:
    written = run.generate("To be", max_new_tokens=8, temperature=0.7, top_k=5, seed=3)
    flags = ("-n", 8, "-t", 0.7, "--top-k", 5, "--seed", 3)
    assert written == cli("sample", "--prompt", "To be", *flags).stdout.removesuffix("\n")
    figures, shown = run.evaluate(TEXT), json.loads(cli("eval", "--text", TEXT, "--json").stdout)
    assert vars(figures) == {name: shown[name] for name in vars(figures)}


def test_loss_and_attention_are_those_of_transformers(run: OpenRun) -> None:
    text = "ROMEO: O, she doth"
    peer = AutoModelForCausalLM.from_pretrained("runs/input", attn_implementation="eager")
    ids = AutoTokenizer.from_pretrained("runs/input")(text, return_tensors="pt").input_ids
    with torch.no_grad():
        expected = peer(ids, labels=ids, output_attentions=True)
    tokens, weights = run.attention(text)
    torch.testing.assert_close(weights, torch.cat(expected.attentions), atol=1e-5, rtol=0)
    assert tokens == list(text)
    scores = run.attention(text, stage="masked")[1]
    torch.testing.assert_close(scores.softmax(dim=-1), weights)
    figures = run.evaluate(text)
    assert figures.loss == pytest.approx(expected.loss.item(), abs=1e-5)
    assert figures.bits_per_byte == pytest.approx(figures.loss / math.log(2))


def test_ablation_is_that_of_the_command(run: OpenRun, cli) -> None:
    changes = run.ablation(TEXT, mode="mean")
    flags = ("--ablate", "all", "--mode", "mean", "--text", TEXT, "--json")
    shown = json.loads(cli("inspect-attention", "runs/input", *flags).stdout)["heads"]
    for head in shown:
        found = changes[head["layer"], head["head"]].item()
        assert found == pytest.approx(head["change"], abs=1e-7)
    assert changes.shape == (2, 2)


def test_what_cannot_be_done_is_an_error_of_gptcli(run: OpenRun) -> None:
    with pytest.raises(DataError, match="nothing to predict"):
        run.evaluate("R")
    with pytest.raises(DataError, match="nothing to predict"):
        run.ablation("R")
    with pytest.raises(UsageError, match="attention needs a text"):
        run.attention("")
    with pytest.raises(UsageError, match="--temperature must be at least 0"):
        run.generate("R", temperature=-1)
    with pytest.raises(UsageError, match="runs/inptu does not exist"):
        open_run("runs/inptu")


def test_importing_the_package_loads_nothing() -> None:
    code = "import sys, gptcli; print(sorted({'torch', 'numpy', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_chat_is_what_sample_answers(cli, tmp_path: Path) -> None:
    tokenizer = character_tokenizer(TEXT + "?").extended(BUILT_IN_TOKENS)
    tokenizer.chat_template = BUILT_IN_TEMPLATE
    config = ModelConfig(1, 2, 16, 64, tokenizer.vocab_size)
    weights = {name: one.detach() for name, one in new_model(config, 2).named_parameters()}
    write_description(tmp_path, config, tokenizer)
    save_weights(tmp_path / "model.safetensors", weights, config)
    answer = open_run(tmp_path, device="cpu").chat("To be?", max_new_tokens=9)
    flags = ("-n", 9, "--prompt", "To be?")
    assert answer == cli("sample", tmp_path, *flags).stdout.removesuffix("\n")
    turns = [{"role": "user", "content": "To be?"}]
    assert open_run(tmp_path, device="cpu").chat(turns, max_new_tokens=9) == answer
