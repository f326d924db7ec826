"""Tasks through lm-eval, against its own adapter for transformers where that reads the model."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

TASK = """
task: small
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
target_delimiter: ""
metric_list:
  - {metric: acc}
  - {metric: acc_norm}
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install gptcli[tasks]")
    lines = [
        {"question": f"LINE {n}:\nthe ", "choices": [f"{n} cats", f"{n + 1} rats"], "answer": n % 2}
        for n in range(40)
    ]
    data = tmp_path / "questions.jsonl"
    data.write_text("\n".join(map(json.dumps, lines)))
    file = tmp_path / "small.yaml"
    file.write_text(TASK.replace("FILE", str(data)))
    return file


def test_without_the_extra_the_remedy_is_named(cli, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lm_eval", None)
    done = cli("eval", "--tasks", "hellaswag")
    assert done.code == 2
    assert "pip install 'gptcli[tasks]'" in done.stderr


def test_a_local_task_agrees_with_the_peer_on_the_same_directory(
    cli, trained: Path, task: Path, monkeypatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(trained / "cache"))
    done = cli("eval", "runs/input", "--tasks", task, "--json")
    assert done.code == 0, done.stderr
    ours = json.loads(done.stdout)["tasks"]["small"]
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    theirs = simple_evaluate(
        "hf",
        # Its adapter wants a token that starts a text, which characters lack.
        model_args={"pretrained": "runs/input", "dtype": "float32", "prefix_token_id": 0},
        tasks=[str(task)],
        task_manager=TaskManager(include_defaults=False),
        device="cpu",
        bootstrap_iters=0,
    )["results"]["small"]
    assert ours["acc"] == theirs["acc,none"]
    assert ours["acc_norm"] == theirs["acc_norm,none"]
    assert f"{ours['acc']:.4f}" in cli("eval", "--tasks", task).stdout
    assert cli("eval", "--tasks", "nothing.yaml").code == 2


def test_likelihoods_and_text_are_those_of_the_peer(trained: Path, task: Path) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from gptcli.evaluation.harness_model import HarnessModel
    from gptcli.generation.loaded_model import load_model

    run = trained / "runs/input"
    ours = HarnessModel(load_model(run, "cpu"), lambda done: None)
    theirs = HFLM(
        pretrained=str(run),
        device="cpu",
        dtype="float32",
        batch_size=1,
        prefix_token_id=ours.eot_token_id,
    )
    pairs = [("LINE 4:\n", "the 4 cats"), ("LINE ", "5"), ("LINE 1234:\nthe 12 cats ate ", "9 ra")]
    requests = [Instance("loglikelihood", {}, pair, 0) for pair in pairs]
    for mine, other in zip(
        ours.loglikelihood(requests, disable_tqdm=True),
        theirs.loglikelihood(requests, disable_tqdm=True),
        strict=True,
    ):
        assert mine[0] == pytest.approx(other[0], abs=1e-4)
        assert mine[1] == other[1]
    text = "LINE 7:\nthe 7 cats ate 49 rats.\n" * 3
    rolling = [Instance("loglikelihood_rolling", {}, (text,), 0)]
    expected = theirs.loglikelihood_rolling(rolling, disable_tqdm=True)[0]
    assert ours.loglikelihood_rolling(rolling)[0] == pytest.approx(expected, abs=1e-3)
    options = {"until": ["\n"], "max_gen_toks": 6, "do_sample": False}
    asked = [Instance("generate_until", {}, ("LINE 3:", options), 0)]
    written = theirs.model.generate(
        torch.tensor([ours.tok_encode("LINE 3:")]),
        max_new_tokens=6,
        do_sample=False,
        pad_token_id=0,
    )
    text = theirs.tokenizer.decode(written[0, 7:].tolist())
    assert ours.generate_until(asked) == [text.split("\n")[0]]


@pytest.mark.parametrize(
    "content", ["", "[1, 2]", "task: [", "task: x\n", "task: x\noutput_type: multiple_choice\n"]
)
def test_a_file_that_describes_no_task_is_bad_data_in_one_line(cli, trained, content) -> None:
    (trained / "bad.yaml").write_text(content)
    done = cli("eval", "--tasks", "bad.yaml", "-q")
    assert (done.code, done.stdout) == (3, "")
    assert done.stderr.startswith("error: --tasks bad.yaml") and done.stderr.count("\n") == 1


def test_names_that_are_none_are_refused_at_once(cli, trained) -> None:
    for names in ("", " , ", "missing.yaml"):
        assert cli("eval", "--tasks", names).code == 2


def test_a_damaged_model_has_no_metrics(cli, trained, task) -> None:
    file = "runs/input/model.safetensors"
    weights = load_file(file)
    weights["transformer.ln_f.weight"].fill_(float("nan"))
    save_file(weights, file, {"format": "pt"})
    assert cli("eval", "--tasks", task).code == 4
