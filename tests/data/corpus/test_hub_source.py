"""Datasets of the hub, from a server on the loopback."""

import json

import pytest

from gptcli.data.corpus.finding import corpus_name, find_corpus
from gptcli.data.corpus.inputs import DocumentLayout
from gptcli.errors import ResourceError, UsageError

LINES = [b'{"text": "one"}\n', b'{"text": "two"}\n', b'{"text": "three"}\n']


@pytest.fixture
def web(hub):
    hub.repositories["datasets/owner/web"] = {
        "README.md": b"# a dataset",
        "data/train-00000.jsonl": LINES[0],
        "data/train-00001.jsonl": LINES[1],
        "data/test-00000.jsonl": LINES[2],
        "notes.txt": b"not this",
    }
    return hub


def test_the_training_files_are_fetched_in_order(web, tmp_path) -> None:
    corpus = find_corpus(["hf:owner/web"], tmp_path)
    assert [one.path.read_bytes() for one in corpus.inputs] == LINES[:2]
    assert {one.layout for one in corpus.inputs} == {DocumentLayout.JSONL}
    assert corpus.is_collection and corpus.name == "web"
    assert corpus.title == "hf:owner/web (2 files)"


def test_a_pattern_chooses_others(web, tmp_path) -> None:
    (one,) = find_corpus(["hf:owner/web:data/test*.jsonl"], tmp_path).inputs
    assert one.path.read_bytes() == LINES[2]
    assert one.name == "hf:owner/web:data/test-00000.jsonl"


def test_a_dataset_of_the_hub_is_prepared_by_its_name(web, cli) -> None:
    many = b"".join(json.dumps({"body": f"text {i}"}).encode() + b"\n" for i in range(200))
    web.repositories["datasets/openwebtext"] = {"all.jsonl": many}
    done = cli("prepare", "hf:openwebtext", "--field", "body", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["source"]["documents"] == 200
    assert corpus_name(["hf:openwebtext"]) == "openwebtext"


def test_what_is_not_there_is_said(web, tmp_path, monkeypatch) -> None:
    for source, message in (
        ("hf:owner/none", "no dataset 'owner/none' at .*: check the name, as in hf:owner/name"),
        ("hf:owner/web:*.zip", r"no file like \*.zip in the dataset, it has README.md"),
        ("hf:", "names no dataset: write hf:owner/name"),
    ):
        with pytest.raises(UsageError, match=message):
            find_corpus([source], tmp_path)
    web.answer = 418  # others are asked again and again
    with pytest.raises(ResourceError, match=r"owner/web cannot be read from .*HF_ENDPOINT"):
        find_corpus(["hf:owner/web"], tmp_path)
