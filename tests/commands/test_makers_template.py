"""A checkpoint is fed the tokens that its makers put around a text, in every command."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gptcli.data.dataset import Dataset
from gptcli.tokenization.loading import load_tokenizer
from gptcli.tokenization.trainer import character_tokenizer

transformers = pytest.importorskip("transformers")
LETTERS = "\n abcdefgh"
START, END = len(LETTERS), len(LETTERS) + 1
A, B, C = 2, 3, 4
TEXT = "abc de\nfed cab gag\n"


def with_template(tokenizer_json: str, *, has_end: bool) -> str:
    content = json.loads(tokenizer_json)
    text, pair = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    start, end = ({"SpecialToken": {"id": name, "type_id": 0}} for name in ("<s>", "</s>"))
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [start, text, end] if has_end else [start, text],
        "pair": [text, pair],
        "special_tokens": {
            name: {"id": name, "ids": [number], "tokens": [name]}
            for name, number in (("<s>", START), ("</s>", END))
        },
    }
    return json.dumps(content)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("foreign") / "model", has_end=False)


def made(directory: Path, *, has_end: bool) -> Path:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=END + 1, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=64, initializer_range=0.3,
        bos_token_id=START, eos_token_id=END,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer = character_tokenizer(LETTERS, special_tokens=("<s>", "</s>"))
    file = directory / "tokenizer.json"
    file.write_text(with_template(tokenizer.to_json(), has_end=has_end))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>"}
    (directory / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": "</s>"}))
    return directory


@pytest.fixture(scope="module")
def theirs(model: Path) -> SimpleNamespace:
    return SimpleNamespace(
        model=transformers.AutoModelForCausalLM.from_pretrained(model).eval(),
        tokenizer=transformers.AutoTokenizer.from_pretrained(model),
    )


def sampled(done) -> tuple[list[int], list[int]]:
    assert done.code == 0, done.stderr
    document = json.loads(done.stdout)
    return document["prompt_ids"], document["samples"][0]["ids"]


def test_a_prompt_is_continued_as_by_transformers(cli, model, theirs) -> None:
    given = theirs.tokenizer("abc", return_tensors="pt")
    wanted = theirs.model.generate(**given, max_new_tokens=6, do_sample=False)[0].tolist()
    prompt, ids = sampled(cli("sample", model, "--prompt", "abc", "-t", 0, "-n", 6, "--json"))
    assert prompt == given["input_ids"][0].tolist() == [START, A, B, C]
    assert prompt + ids == wanted


def test_without_a_prompt_a_text_begins_after_the_first_token(cli, model, theirs) -> None:
    done = cli("sample", model, "-t", 0, "-n", 6, "--json")
    wanted = theirs.model.generate(max_new_tokens=6, do_sample=False)[0].tolist()
    prompt, ids = sampled(done)
    assert prompt + ids == wanted and prompt == [START]
    assert "starting after <s>" in done.stderr


def test_a_conversation_gets_the_first_token_once(cli, model, monkeypatch) -> None:
    fed = []

    class Watched:
        def __init__(self, loaded, ids, *_):
            fed.append(ids)
            self.samples = [SimpleNamespace(finish="length", ids=[7])]

        def pieces(self):
            return iter(["h"])

        def close(self) -> None:
            pass

    monkeypatch.setattr("gptcli.generation.conversation.TextGenerator", Watched)
    assert cli("sample", model, "-i", stdin="ab\nc\n").code == 0
    assert fed == [[START, A, B], [START, A, B, 7, C]]


@pytest.mark.parametrize("has_end", [False, True])
def test_a_text_is_evaluated_as_by_transformers(cli, tmp_path, has_end) -> None:
    directory = made(tmp_path / "model", has_end=has_end)
    (tmp_path / "text.txt").write_text(TEXT)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(directory).eval()
    ids = transformers.AutoTokenizer.from_pretrained(directory)(TEXT, return_tensors="pt").input_ids
    with torch.no_grad():
        loss = float(theirs(ids, labels=ids).loss)
    done = cli("eval", directory, "--file", "text.txt", "--json")
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    n_targets = len(TEXT) + has_end
    assert found["tokens"] == n_targets == ids.shape[1] - 1
    assert found["loss"] == pytest.approx(loss, abs=1e-5)
    assert found["bits_per_byte"] == pytest.approx(
        loss * n_targets / math.log(2) / len(TEXT), abs=1e-4
    )
    lines = cli("eval", directory, "--file", "text.txt", "--per-token", "--format", "jsonl")
    assert [json.loads(line)["id"] for line in lines.stdout.splitlines()] == ids[0, 1:].tolist()


def test_verify_compares_with_what_transformers_gives_by_default(cli, model) -> None:
    done = cli("eval", model, "--verify", "--json")
    assert done.code == 0, done.stderr
    (ids,) = [one for one in json.loads(done.stdout)["checks"] if one["name"] == "token ids"]
    assert ids["held"] is True and ids["detail"].endswith("the same 65 ids")


def test_attention_is_that_of_the_text_with_its_first_token(cli, model) -> None:
    done = cli("inspect-attention", model, "--text", "abc", "--json")
    assert [token["id"] for token in json.loads(done.stdout)["tokens"]] == [START, A, B, C]


def test_likelihoods_are_those_of_the_peer(model) -> None:
    pytest.importorskip("lm_eval")
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from gptcli.evaluation.harness_model import HarnessModel
    from gptcli.generation.loaded_model import load_model

    def requests(kind: str, *arguments: tuple) -> list:
        return [Instance(kind, {}, one, index) for index, one in enumerate(arguments)]

    peer = HFLM(pretrained=str(model), dtype="float32", device="cpu", batch_size=1)
    ours = HarnessModel(load_model(model, "cpu"), lambda count: None)
    pairs = requests("loglikelihood", ("abc", " de"), ("<s>abc", " de"), ("", "fed"))
    for found, wanted in zip(ours.loglikelihood(pairs), peer.loglikelihood(pairs), strict=True):
        assert found[0] == pytest.approx(wanted[0], abs=1e-4) and found[1] == wanted[1]
    texts = requests("loglikelihood_rolling", (TEXT * 8,))
    wanted = peer.loglikelihood_rolling(texts)
    assert ours.loglikelihood_rolling(texts) == pytest.approx(wanted, abs=1e-3)
    until = requests("generate_until", ("abc", {"max_gen_toks": 5, "until": ["\n"]}))
    shown = [text.replace("<s>", "") for text in ours.generate_until(until)]
    assert shown == peer.generate_until(until)  # which shows no special tokens


DOCUMENTS = [f"abc {'fed ' * (n % 7)}gag {'abcdefgh'[n % 8]}" for n in range(40)]


def records(tmp_path: Path, **more: str) -> Path:
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in DOCUMENTS))
    return file


def test_documents_are_prepared_with_their_tokens_and_runs_are_fed_them(
    cli, model, tmp_path, theirs
) -> None:
    records(tmp_path)
    done = cli("prepare", "texts.jsonl", "--tokenizer", model, "--val-fraction", 0)
    assert done.code == 0, done.stderr
    assert "each document" in done.stdout and "<s> before it" in done.stdout
    dataset = Dataset.open(tmp_path / "data/texts")
    wanted = [id for text in DOCUMENTS for id in (*theirs.tokenizer(text)["input_ids"], END)]
    assert dataset.train.read(0, dataset.train.n_tokens).tolist() == wanted
    options = ("--init-from", model, "--max-iters", 1, "--block-size", 16, "--batch-size", 2)
    done = cli("train", *options, "--eval-interval", 1)
    assert done.code == 0, done.stderr
    assert sampled(cli("sample", "--prompt", "abc", "-n", 1, "--json"))[0] == [START, A, B, C]
    run = transformers.AutoTokenizer.from_pretrained(tmp_path / "runs/texts")
    assert run("abc")["input_ids"] == [START, A, B, C] and run.bos_token == "<s>"
    assert sampled(cli("sample", "-n", 1, "--json"))[0] == [START]


def test_an_end_of_text_that_is_in_the_template_is_not_doubled(cli, tmp_path) -> None:
    directory = made(tmp_path / "model", has_end=True)
    records(tmp_path)
    done = cli("prepare", "texts.jsonl", "--tokenizer", directory, "--json")
    assert json.loads(done.stdout)["around_documents"] == {"before": ["<s>"], "after": ["</s>"]}
    ids = Dataset.open(tmp_path / "data/texts").train
    listed = ids.read(0, ids.n_tokens)
    assert (listed == START).sum() == (listed == END).sum()
    assert not ((listed[1:] == END) & (listed[:-1] == END)).any()


def test_a_dataset_of_earlier_times_and_its_run_are_read_without(cli, model, tmp_path) -> None:
    (tmp_path / "input.txt").write_text(TEXT * 40)
    assert cli("prepare", "input.txt", "--tokenizer", model).code == 0
    earlier = tmp_path / "data/input"
    (earlier / "tokenizer_config.json").unlink()  # nothing said then that there is a template
    assert load_tokenizer(earlier).encode("ab", add_special_tokens=True).tolist() == [A, B]
    options = ("--max-iters", 1, "--block-size", 16, "--batch-size", 2, "--eval-interval", 1)
    done = cli("train", "--init-from", model, *options)
    assert done.code == 0, done.stderr
    assert "<s>" in done.stderr and "without" in done.stderr
    assert sampled(cli("sample", "--prompt", "abc", "-n", 1, "--json"))[0] == [A, B, C]
    run = tmp_path / "runs/input"
    (run / "manifest.json").unlink()  # which vouches for a tokenizer.json that is replaced
    (run / "tokenizer.json").write_bytes((model / "tokenizer.json").read_bytes())
    assert sampled(cli("sample", "--prompt", "abc", "-n", 1, "--json"))[0] == [A, B, C]
    checks = json.loads(cli("eval", "--verify", "--json").stdout)["checks"]
    (ids,) = [one for one in checks if one["name"] == "token ids"]
    assert ids["held"] is True and "trained without" in ids["detail"]


def test_prompts_do_not_count_and_neither_does_the_token_before_them(cli, model, tmp_path) -> None:
    lines = [{"prompt": "abc ", "completion": "de"} for _ in range(20)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    done = cli("prepare", "pairs.jsonl", "--tokenizer", model, "--val-fraction", 0)
    assert done.code == 0, done.stderr
    split = Dataset.open(tmp_path / "data/pairs").train
    mask = np.array([0, 0, 0, 0, 0, 1, 1, 1], dtype=bool)
    assert split.read(0, 8).tolist()[0] == START and split.read(0, 8).tolist()[-1] == END
    assert (split.read_mask(0, 8) == mask).all()
    assert split.document_starts[:3].tolist() == [0, 8, 16]


def test_tokenize_shows_what_transformers_gives(cli, model, theirs) -> None:
    done = cli("tokenize", "abc", "--tokenizer", model, "--json")
    found = json.loads(done.stdout)
    assert found["ids"] == theirs.tokenizer("abc")["input_ids"]
    assert found["pieces"] == ["<s>", "a", "b", "c"] and found["text"] == "abc"
    assert "with <s> around the text" in cli("tokenize", "abc", "--tokenizer", model).stdout


@pytest.mark.parametrize("form", ["json", "ids"])
def test_a_text_without_ids_leaves_no_half_document(cli, model, tmp_path, form) -> None:
    (tmp_path / "long.txt").write_text("abc " * 2**18 + "xyz")
    for text in (["abc xyz"], ["--file", "long.txt"]):
        done = cli("tokenize", *text, "--tokenizer", model, "--format", form)
        assert (done.code, done.stdout) == (2 if text[0] == "abc xyz" else 3, "")
        assert "'x'" in done.stderr


def test_an_id_that_the_model_lacks_is_refused(cli, tmp_path) -> None:
    directory = made(tmp_path / "model", has_end=False)
    content = json.loads((directory / "tokenizer.json").read_text())
    content["added_tokens"].append(
        {**content["added_tokens"][-1], "id": END + 1, "content": "<|endoftext|>"}
    )
    (directory / "tokenizer.json").write_text(json.dumps(content))
    (directory / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|endoftext|>"}))
    records(tmp_path)
    assert cli("prepare", "texts.jsonl", "--tokenizer", directory).code == 0
    for command in (("eval", directory, "--data"), ("train", "--init-from", directory, "--data")):
        done = cli(*command, "data/texts")
        assert done.code == 3, done.stderr
        assert f"has the token <|endoftext|> ({END + 1})" in done.stderr


def test_tokens_that_cannot_occur_and_answers_without_an_end_are_told_of(cli, tmp_path) -> None:
    (tmp_path / "input.txt").write_text(TEXT * 40)
    named = cli("prepare", "input.txt", "--special-token", "<|user|>")
    assert "<|user|> does not occur in the dataset" in named.stderr
    file = tmp_path / "plain" / "tokenizer.json"
    file.parent.mkdir()
    file.write_text(character_tokenizer(LETTERS).to_json())
    lines = [{"prompt": "abc ", "completion": "de"} for _ in range(20)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    done = cli("prepare", "pairs.jsonl", "--tokenizer", file.parent, "--val-fraction", 0)
    assert "so answers never end" in done.stderr and "eos_token" in done.stderr
    options = ("--n-layer", 1, "--n-head", 1, "--n-embd", 8, "--block-size", 4, "--max-iters", 1)
    assert "have no end" in cli("train", "--data", "data/pairs", *options).stderr


def test_the_validation_split_is_inspected_by_its_ids(cli, tmp_path) -> None:
    records(tmp_path)
    assert cli("prepare", "texts.jsonl").code == 0
    options = ("--n-layer", 1, "--n-head", 1, "--n-embd", 8, "--block-size", 32)
    assert cli("train", *options, "--max-iters", 1, "--batch-size", 2).code == 0
    done = cli("inspect-attention", "--json")
    assert done.code == 0, done.stderr
    shown = [token["id"] for token in json.loads(done.stdout)["tokens"]]
    dataset = Dataset.open(tmp_path / "data/texts")
    assert shown == dataset.val.read(0, 32).tolist()
    assert dataset.tokenizer.end_of_text in shown
