"""``eval --verify``: what is so is found so, and whatever was changed is found."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from gptcli.families.registry import TRAINABLE

ALL = ["files", "saved steps", "data", "weights", "token ids", "logits", "greedy text"]
TRANSFORMERS_CHECKS = ALL[-3:]


@pytest.fixture
def findings(cli):
    def ask(checkpoint: Path, code: int = 0) -> dict[str, bool | None]:
        done = cli("eval", checkpoint, "--verify", "--json")
        assert done.code == code, done.stderr
        return {check["name"]: check["held"] for check in json.loads(done.stdout)["checks"]}

    return ask


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("family", TRAINABLE)
def test_a_fresh_run_of_every_family_holds_what_it_claims(
    cli, prepared, tiny, findings, family
) -> None:
    done = cli("train", *tiny, "--family", family, "--max-iters", 2, "--eval-interval", 1)
    assert done.code == 0, done.stderr
    assert findings(Path("runs/input")) == dict.fromkeys(ALL, True)
    shown = cli("eval", "--verify").stdout
    assert all(f"ok  {name}" in shown for name in ALL)


def test_a_flipped_byte_is_found_wherever_it_is(trained, findings) -> None:
    run = trained / "runs/input"
    whole = trained / "whole"
    shutil.copytree(run, whole)
    for name, found_by in (
        ("model.safetensors", "files"),
        ("tokenizer_config.json", "files"),
        ("resume/step-00000010/optimizer.safetensors", "saved steps"),
    ):
        flip_a_byte(run / name)
        assert findings(run, code=4)[found_by] is False
        shutil.copy(whole / name, run / name)
    assert findings(run) == dict.fromkeys(ALL, True)
    (run / "resume/step-00000010/manifest.json").unlink()
    assert findings(run, code=4)["saved steps"] is False
    shutil.copytree(whole, run, dirs_exist_ok=True)
    (run / "generation_config.json").unlink()
    assert findings(run, code=4)["files"] is False


def test_a_shard_overwritten_with_valid_ids_is_found(trained, findings) -> None:
    shard = trained / "data/input/val/part-00000.bin"
    shard.write_bytes(shard.read_bytes()[::-1][1:] + b"\0")
    assert findings(trained / "runs/input", code=4)["data"] is False


def test_other_data_and_weights_that_do_not_fit_are_found(trained, findings, cli) -> None:
    run = trained / "runs/input"
    cli("prepare", "input.txt", "--out", "data/input", "--overwrite", "--val-fraction", 0.2)
    assert findings(run, code=4)["data"] is False
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "n_layer": 2}))
    found = findings(run, code=4)
    assert (found["files"], found["weights"]) == (False, False)
    assert not found.keys() & set(TRANSFORMERS_CHECKS)


def test_a_crash_between_manifest_and_weights_proves_nothing_wrong(trained, findings) -> None:
    run = trained / "runs/input"
    manifest = json.loads((run / "manifest.json").read_text())
    newest = manifest["files"]["model.safetensors"]
    manifest["files"]["model.safetensors"] = {"bytes": 1, "sha256": "0" * 64}
    manifest["replaced"] = newest
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert findings(run)["files"] is True


def test_what_cannot_be_checked_is_said(trained, findings, monkeypatch) -> None:
    run = trained / "runs/input"
    alone = trained / "alone"
    alone.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(run / name, alone)
    assert findings(alone) == {"files": None, **dict.fromkeys(ALL[3:], True)}
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert findings(alone) == {"files": None, "weights": True, "transformers": None}


def test_a_transformers_that_disagrees_is_believed(trained, findings, monkeypatch) -> None:
    import transformers

    forward = transformers.GPT2LMHeadModel.forward

    def crooked(self, *args, **kwargs):
        found = forward(self, *args, **kwargs)
        found.logits = found.logits.roll(1, dims=-1)
        return found

    monkeypatch.setattr(transformers.GPT2LMHeadModel, "forward", crooked)
    found = findings(trained / "runs/input", code=4)
    assert (found["logits"], found["greedy text"], found["token ids"]) == (False, False, True)


@pytest.mark.parametrize("family", ["gpt2", "nanochat"])
def test_code_in_the_directory_is_neither_run_nor_asked_about(
    cli, prepared, tiny, monkeypatch, family
) -> None:
    assert cli("train", *tiny, "--family", family, "--max-iters", 1).code == 0
    run, mark = prepared / "runs/input", prepared / "ran"
    monkeypatch.setenv("HF_HOME", str(prepared / "hf"))
    monkeypatch.setattr("builtins.input", lambda question: pytest.fail(question))
    (run / "theirs.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Theirs: pass\n")
    for file, auto_map in {
        "config.json": {"AutoConfig": "theirs.Theirs", "AutoModelForCausalLM": "theirs.Theirs"},
        "tokenizer_config.json": {"AutoTokenizer": ["theirs.Theirs", None]},
    }.items():
        content = json.loads((run / file).read_text()) | {"auto_map": auto_map}
        content |= {"tokenizer_class": "Theirs"} if "tokenizer_class" in content else {}
        (run / file).write_text(json.dumps(content))
        asked = cli("eval", run, "--verify", "--json", stdin="y\n" * 9)
        found = {check["name"]: check for check in json.loads(asked.stdout)["checks"]}
        assert not mark.exists()
    if family == "nanochat":  # whose tokenizer transformers has no code for
        assert found["transformers"]["held"] is None
        assert "auto_map), which is never run" in found["transformers"]["detail"]


def test_the_lectures_own_model_is_none_of_theirs(cli, prepared, findings) -> None:
    sizes = ("--preset", "lecture-bigram", "--max-iters", 1, "--eval-batches", 1)
    assert cli("train", *sizes).code == 0
    assert findings(Path("runs/input"))["transformers"] is None


def test_verify_takes_no_text(cli, trained) -> None:
    for flags in (("--file", "input.txt"), ("--stride", 4), ("--per-token",), ("--limit", 3)):
        assert cli("eval", "--verify", *flags).code == 2
