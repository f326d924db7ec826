"""Every command that opens a run refuses one whose config or tokenizer is not what was saved."""

import json
import shutil
from pathlib import Path

OPENING = (
    ("sample", "runs/input", "-n", 2),
    ("eval", "runs/input"),
    ("eval", "runs/whole", "--compare", "runs/input"),
    ("inspect-attention", "runs/input", "--text", "LINE"),
    ("count-params", "runs/input"),
    ("count-params", "--diff", "gpt2", "runs/input"),
    ("tokenize", "LINE", "--tokenizer", "runs/input"),
    ("prepare", "input.txt", "--tokenizer", "runs/input"),
    ("train", "--init-from", "runs/input"),
    ("train", "--resume", "runs/input", "--max-iters", 30),
)


def test_a_changed_config_or_tokenizer_is_refused_everywhere(cli, trained: Path) -> None:
    shutil.copytree("runs/input", "runs/whole")
    for name, change in (("config.json", {"n_head": 4}), ("tokenizer.json", {"version": "1.1"})):
        file = Path("runs/input", name)
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
        for command in OPENING:
            refused = cli(*command)
            assert refused.code == 4, (command, refused.stderr)
            assert f"{file} is not what was saved" in refused.stderr, command
            assert "cp runs/input/resume/step-00000020/" in refused.stderr
        shutil.copy(f"runs/whole/{name}", file)
    assert cli("train", "--resume", "runs/input", "--max-iters", 30).code == 0
    assert cli("eval", "runs/input", "-q").code == 0


def test_a_record_that_cannot_be_used_is_said_and_sampling_goes_on(cli, trained: Path) -> None:
    Path("runs/input/train.json").write_text("{}")
    sampled = cli("sample", "runs/input", "-n", 2)
    assert sampled.code == 0
    assert "runs/input/train.json cannot be used: it has format None" in sampled.stderr
    assert "the step of the weights is not known" in sampled.stderr
