"""``train --init-from``: fine-tuning, and what is refused."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gptcli.data.chat.chat_template import BUILT_IN_TEMPLATE, BUILT_IN_TOKENS
from gptcli.generation.loaded_model import load_model
from gptcli.tokenization.tokenizer import write_tokenizer

FLAGS = ("--batch-size", 4, "--precision", "float32", "--max-iters", 2, "--eval-interval", 2)


@pytest.fixture
def begin(cli):
    def run(*flags: object, checkpoint: object = "runs/input"):
        return cli("train", "--init-from", checkpoint, *FLAGS, *flags, "--out", "runs/tuned")

    return run


def test_it_goes_on_from_the_weights_of_a_run(cli, trained: Path, begin) -> None:
    before = cli("eval", "runs/input", "--json")
    done = begin()
    assert done.code == 0, done.stderr
    (first, *_) = [line for line in done.stderr.splitlines() if line.startswith("step 0:")]
    assert f"val loss {json.loads(before.stdout)['loss']:.4f}" in first
    record = json.loads((trained / "runs/tuned/train.json").read_text())
    assert record["init_from"]["checkpoint"] == "runs/input"
    assert len(record["init_from"]["weights"]) == 64
    assert record["training"]["lr"] == pytest.approx(4e-4)
    assert cli("train", "--resume", "runs/tuned", "--max-iters", 4).code == 0


def test_all_rates_of_muon_are_a_tenth_of_the_usual_ones(trained: Path, begin) -> None:
    assert begin("--optimizer", "muon", "--vector-lr", 0.002).code == 0
    training = json.loads((trained / "runs/tuned/train.json").read_text())["training"]
    rates = {name: value for name, value in training.items() if name.endswith("lr")}
    assert rates == {
        "lr": pytest.approx(4e-3), "min_lr": pytest.approx(8e-5), "head_lr": None,
        "embedding_lr": pytest.approx(4e-4), "vector_lr": 0.002,
    }  # fmt: skip


def test_a_directory_of_transformers_does(trained: Path, begin) -> None:
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(trained / "runs/input")
    theirs.save_pretrained(trained / "theirs", max_shard_size="4KB")
    tokenizer = (trained / "runs/input/tokenizer.json").read_bytes()
    (trained / "theirs/tokenizer.json").write_bytes(tokenizer)
    done = begin(checkpoint="theirs")
    assert done.code == 0, done.stderr


def test_a_name_on_the_hub_does(hub, cli, trained: Path, begin) -> None:
    files = [file for file in (trained / "runs/input").iterdir() if file.is_file()]
    hub.repositories["owner/model"] = {file.name: file.read_bytes() for file in files}
    done = begin(checkpoint="owner/model")
    assert done.code == 0, done.stderr
    assert "looking for owner/model on the Hugging Face hub" in done.stderr
    assert cli("sample", "owner/model", "-n", 3).code == 0
    assert cli("eval", "owner/model").code == 0


def test_the_context_is_cropped_without_other_change(trained: Path, begin) -> None:
    done = begin("--block-size", 8, "--lr", 1e-12, "--dropout", 0.1)
    assert done.code == 0, done.stderr
    ids = torch.arange(8)[None]
    old, new = (load_model(trained / "runs" / name, "cpu").model for name in ("input", "tuned"))
    assert new.config.block_size == 8
    with torch.no_grad():
        torch.testing.assert_close(new(ids), old(ids))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--n-layer", 2), ("--n-layer 2", "which has 1")),
        (("--n-head", 4), ("--n-head 4", "which has 2")),
        (("--family", "llama"), ("--family llama", "which has gpt2")),
        (("--untied",), ("--untied contradicts", "which has --tied")),
        (("--block-size", 32), ("--block-size 32", "cropped")),
        (("--preset", "gpt2"), ("--preset", "--init-from")),
    ],
)
def test_a_flag_that_contradicts_the_checkpoint_is_named(trained, begin, flags, words) -> None:
    done = begin(*flags)
    assert done.code == 2
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert all(word in error for word in words), error
    assert not (trained / "runs/tuned").exists()


def test_a_flag_that_agrees_is_fine(trained: Path, begin) -> None:
    same = ("--n-layer", 1, "--n-head", 2, "--n-inner", 64, "--family", "gpt2")
    assert begin(*same).code == 0


def test_data_of_another_tokenizer_is_refused_with_the_way_out(cli, trained, begin) -> None:
    (trained / "other.txt").write_text("other characters: éèà " * 99)
    assert cli("prepare", "other.txt").code == 0
    done = begin()
    assert done.code == 4
    assert "gptcli prepare TEXT --tokenizer runs/input" in done.stderr
    (trained / "same.txt").write_text("the cats ate rats.\n" * 99)
    assert cli("prepare", "same.txt", "--tokenizer", "runs/input").code == 0
    assert begin().code == 0


def test_without_a_network_a_name_is_a_resource_error(trained, begin) -> None:
    done = begin(checkpoint="owner/model")
    assert done.code == 5
    assert "no such path here" in done.stderr


def test_weights_that_are_no_numbers_are_refused_by_name(trained: Path, begin) -> None:
    file = trained / "runs/input/model.safetensors"
    tensors = load_file(file)
    name = sorted(tensors)[3]
    tensors[name].view(-1)[1] = torch.nan
    save_file(tensors, file)
    done = begin()
    assert done.code == 4
    assert f"tensor {name}" in done.stderr
    assert "an earlier checkpoint" in done.stderr


def test_new_special_tokens_get_rows_and_transformers_loads_them(cli, trained, begin) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = load_model(trained / "runs/input", "cpu").tokenizer
    extended = tokenizer.extended(["<|user|>", "<|end|>"])
    (trained / "extended.json").write_text(extended.to_json())
    assert (
        cli("prepare", "input.txt", "--tokenizer", "extended.json", "--out", "data/new").code == 0
    )
    done = begin("--data", "data/new", "--lr", 1e-12)
    assert done.code == 0, done.stderr
    assert "new to runs/input: <|end|> <|user|>; each begins as the mean" in done.stderr

    old, new = (
        AutoModelForCausalLM.from_pretrained(trained / "runs" / name).eval()
        for name in ("input", "tuned")
    )
    assert len(AutoTokenizer.from_pretrained(trained / "runs/tuned")) == extended.vocab_size
    ids = torch.arange(16)[None]
    with torch.no_grad():
        expected, found = old(ids).logits, new(ids).logits
    assert found.shape[-1] == tokenizer.vocab_size + 2
    torch.testing.assert_close(found[..., : tokenizer.vocab_size], expected, rtol=1e-5, atol=1e-5)
    assert cli("train", "--resume", "runs/tuned", "--max-iters", 4).code == 0
    again = begin("--data", "data/input", "--overwrite", checkpoint="runs/tuned")
    assert again.code == 4, "the tokenizer that lacks tokens is not an extension"


def test_data_of_another_chat_template_is_refused_with_both_hashes(cli, trained, begin) -> None:
    plain = load_model(trained / "runs/input", "cpu").tokenizer
    extended = plain.extended([*BUILT_IN_TOKENS])
    turns = [{"role": "user", "content": "the"}, {"role": "assistant", "content": "cats"}]
    (trained / "chat.jsonl").write_text(f"{json.dumps({'messages': turns})}\n" * 40)
    other = BUILT_IN_TEMPLATE.replace("<|end|>", "<|system|>")
    for name, template in (("first", BUILT_IN_TEMPLATE), ("other", other)):
        extended.chat_template = template
        (trained / name).mkdir()
        write_tokenizer(trained / name, extended)
        made = cli("prepare", "chat.jsonl", "--tokenizer", name, "--out", f"data/{name}")
        assert made.code == 0, made.stderr
    done = begin("--data", "data/first")
    assert done.code == 0, done.stderr
    done = cli("train", "--init-from", "runs/tuned", "--data", "data/other", *FLAGS)
    assert done.code == 4
    hashes = [hashlib.sha256(one.encode()).hexdigest()[:12] for one in (other, BUILT_IN_TEMPLATE)]
    assert all(one in done.stderr for one in hashes)
    assert "gptcli prepare TEXT --tokenizer runs/tuned" in done.stderr


def test_plain_text_has_no_chat_template_whatever_its_tokenizer(cli, trained, begin) -> None:
    tokenizer = load_model(trained / "runs/input", "cpu").tokenizer.extended(BUILT_IN_TOKENS)
    tokenizer.chat_template = BUILT_IN_TEMPLATE
    (trained / "chatty").mkdir()
    write_tokenizer(trained / "chatty", tokenizer)
    made = cli("prepare", "input.txt", "--tokenizer", "chatty", "--out", "data/plain")
    assert made.code == 0, made.stderr
    assert begin("--data", "data/plain").code == 0
    assert load_model(trained / "runs/tuned", "cpu").tokenizer.chat_template is None
