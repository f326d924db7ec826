"""``eval --reward``: the figures are those of the answers, and every wrong use is named."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaForSequenceClassification

from gptcli.commands.eval import judging
from gptcli.data.dataset import Dataset


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kept") / "files"


@pytest.fixture
def answered(cli, tmp_path, tiny, kept: Path) -> None:
    """A run that knows some sums, and one that knows none; made once for all tests."""
    if not kept.is_dir():
        lines = [
            json.dumps({"prompt": f"{a}+{b}=", "completion": str(a + b)})
            for a in range(8)
            for b in range(8)
        ]
        (tmp_path / "sums.jsonl").write_text("\n".join(lines))
        assert cli("prepare", "sums.jsonl", "--val-fraction", 0.4).code == 0
        for name, steps in (("good", 100), ("bad", 1)):
            flags = ("--max-iters", steps, "--lr", 0.02, "--out", f"runs/{name}")
            assert cli("train", *tiny, "--eval-interval", steps, *flags).code == 0
        shutil.copytree(tmp_path, kept)
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)


def asked(cli, *flags: object) -> dict:
    done = cli("eval", "runs/good", "--split", "train", "--json", *flags)
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def test_the_figures_are_those_of_the_answers(cli, answered, monkeypatch) -> None:
    seen = []
    measure = judging.measure_answers
    monkeypatch.setattr(
        judging, "measure_answers", lambda *given: seen.append(measure(*given)) or seen[-1]
    )
    flags = ("--reward", "exact", "--num-samples", 3, "--compare", "runs/bad")
    document = asked(cli, *flags)
    good, bad = (quality.rewards for quality in seen)
    assert good.shape == (document["questions"], 3)
    first, second = document["models"]
    assert first["reward"] == first["exact"] == pytest.approx(good.mean())
    assert first["difference"] is first["win_rate"] is None
    n = len(good)
    assert first["reward_error"] == pytest.approx(good.mean(axis=1).std(ddof=1) / n**0.5)
    per_question = (bad - good).mean(axis=1)
    assert second["difference"] == pytest.approx(per_question.mean())
    assert second["standard_error"] == pytest.approx(per_question.std(ddof=1) / n**0.5)
    assert second["win_rate"] == pytest.approx(((bad > good) + (bad == good) / 2).mean())
    assert second["win_rate_low"] < second["win_rate"] < second["win_rate_high"]
    assert good.mean() > bad.mean()
    assert asked(cli, *flags) == document
    listed = csv.DictReader(io.StringIO(cli("eval", "runs/good", *flags, "--format", "csv").stdout))
    assert [row["model"] for row in listed] == ["runs/good", "runs/bad"]


def test_greedy_answers_are_the_exact_matches(cli, answered) -> None:
    found = asked(cli, "--reward", "exact", "--temperature", 0)
    exact = asked(cli)["exact_match"]["all"]
    assert found["models"][0]["exact"] == pytest.approx(exact["share"])
    assert found["questions"] == exact["problems"]
    for one in found["examples"]:
        assert one["reward"] == (one["answer"] == one["reference"])
    assert asked(cli, "--reward", "exact", "--limit", 5)["questions"] == 5


@torch.inference_mode()
def test_a_reward_model_gives_its_score(cli, answered, tmp_path, transformers_model) -> None:
    tokenizer = Dataset.open(tmp_path / "data/sums").tokenizer
    directory = transformers_model(LlamaForSequenceClassification, tokenizer, tmp_path / "judge")
    theirs = LlamaForSequenceClassification.from_pretrained(directory)
    theirs.config.pad_token_id = None  # it is the end token here, which is to be read
    found = asked(cli, "--reward", "judge")
    for one in found["examples"]:
        answer, has_end, _ = one["answer"].partition("<|endoftext|>")
        ids = tokenizer.encode(one["question"] + answer).tolist()
        ids += [tokenizer.end_of_text] if has_end else []
        score = float(theirs(torch.tensor([ids])).logits) - (not has_end)
        assert one["reward"] == pytest.approx(score, abs=1e-5)
    assert found["models"][0]["reward"] != found["models"][0]["exact"]


def test_a_table_says_how_answers_were_judged(cli, answered) -> None:
    alone = cli("eval", "runs/good", "--reward", "exact").stdout
    assert "1 answer to each, at temperature 1, of at most 8 tokens" in alone
    assert "<|endoftext|>" in alone
    two = cli("eval", "runs/good", "--reward", "exact", "--compare", "runs/bad").stdout
    assert "A model wins a question" in two


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--text", "1+1="), "--text has no effect with --reward"),
        (("--stride", 3), "--stride has no effect with --reward"),
        (("--per-token",), "--reward and --per-token cannot be combined"),
        (("--by", "position"), "--reward and --by cannot be combined"),
        (("--quantize", "int8"), "--reward and --quantize cannot be combined"),
        (("--num-samples", 0), "--num-samples"),
        (("--temperature", -1), "--temperature"),
    ],
)
def test_what_has_no_place_beside_a_reward_is_named(cli, flags, message) -> None:
    done = cli("eval", "--reward", "exact", *flags)
    assert done.code == 2
    assert message in done.stderr
    assert cli("eval", "--num-samples", 2).code == 2


def test_a_reward_is_a_rule_or_a_reward_model(cli, answered) -> None:
    done = cli("eval", "--reward", "exakt")
    assert done.code == 2
    assert "--reward exakt is neither a rule nor a directory" in done.stderr
    done = cli("eval", "runs/good", "--reward", "runs/bad")
    assert done.code == 2
    assert "runs/bad is a language model" in done.stderr


def test_plain_text_and_answers_without_an_end_are_refused(
    cli, answered, trained, monkeypatch
) -> None:
    done = cli("eval", "runs/input", "--reward", "exact")
    assert done.code == 2
    assert "gptcli prepare instructions --tokenizer runs/input" in done.stderr
    monkeypatch.setattr(Dataset, "answer_ends", frozenset())
    done = cli("eval", "runs/good", "--reward", "exact")
    assert done.code == 2
    assert "no token of data/sums ends an answer" in done.stderr


def test_questions_beyond_the_context_are_left_out_and_counted(cli, tmp_path, tiny) -> None:
    prompts = ["1" * 5, "2" * 30, "3" * 7]
    records = [json.dumps({"prompt": one, "completion": "4"}) for one in prompts * 4]
    (tmp_path / "long.jsonl").write_text("\n".join(records))
    assert cli("prepare", "long.jsonl", "--val-fraction", 0.3).code == 0
    assert cli("train", *tiny, "--max-iters", 1).code == 0
    done = cli("eval", "--reward", "exact", "--split", "train", "--json")
    document = json.loads(done.stdout)
    kept, left = document["questions"], document["left_out"]
    assert min(kept, left) > 0
    assert f"{left} of {kept + left} questions are left out" in done.stderr
    records = [json.dumps({"prompt": "2" * n, "completion": "4"}) for n in range(20, 40)]
    (tmp_path / "longer.jsonl").write_text("\n".join(records))
    assert cli("prepare", "longer.jsonl", "--tokenizer", "data/long").code == 0
    done = cli("eval", "--reward", "exact", "--data", "data/longer")
    assert done.code == 3
    assert "no question fits" in done.stderr and "16" in done.stderr
    assert np.isfinite(document["models"][0]["reward"])
