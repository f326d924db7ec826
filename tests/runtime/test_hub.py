import json
import os
import subprocess
import sys
import time

import pytest
import tokenizers
from huggingface_hub import constants
from huggingface_hub.utils import logging
from huggingface_hub.utils.tqdm import are_progress_bars_disabled
from tokenizers import models, pre_tokenizers

from gptcli.errors import ResourceError, UsageError
from gptcli.runtime.hub import is_hub_id
from gptcli.tokenization.loading import fetch_tokenizer, load_tokenizer
from gptcli.tokenization.template import Template
from gptcli.tokenization.tokenizer_config import SETTINGS_FILES
from gptcli.tokenization.trainer import character_tokenizer

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
VOCABULARY = {name: number for number, name in enumerate([*LETTERS, "th", "<|endoftext|>"])}
REPOSITORIES = {
    "owner/chars": {"tokenizer.json": character_tokenizer("abc").to_json().encode()},
    "pair": {"vocab.json": json.dumps(VOCABULARY).encode(), "merges.txt": b"t h\n"},
    "owner/weights": {"config.json": b"{}"},
    "owner/damaged": {"tokenizer.json": b"{"},
}


@pytest.fixture
def hub(hub):
    hub.repositories.update(REPOSITORIES)
    return hub


def test_a_tokenizer_is_fetched_and_kept(hub, capfd):
    fetched = load_tokenizer("owner/chars")
    assert fetched.identity == character_tokenizer("abc").identity
    asked = {path.removeprefix("/owner/chars/resolve/main/") for _, path in hub.requests}
    assert asked == {"tokenizer.json", *SETTINGS_FILES}
    n_gets = [command for command, _ in hub.requests].count("GET")
    assert n_gets == 1
    n_requests = len(hub.requests)
    load_tokenizer("owner/chars")
    assert len(hub.requests) - n_requests <= 2  # settings that were not there are not asked for
    assert [command for command, _ in hub.requests].count("GET") == n_gets
    assert capfd.readouterr() == ("", "")


def test_the_settings_beside_a_vocabulary_are_fetched_with_it(hub):
    hub.repositories["owner/pair"] = REPOSITORIES["pair"] | {
        "tokenizer_config.json": b'{"tokenizer_class": "GPT2Tokenizer", "add_bos_token": true}',
        "added_tokens.json": json.dumps({"<|im_end|>": len(VOCABULARY)}).encode(),
        "special_tokens_map.json": b'{"eos_token": "<|im_end|>"}',
        "config.json": json.dumps({"bos_token_id": len(VOCABULARY)}).encode(),
    }
    tokenizer = load_tokenizer("owner/pair")
    assert tokenizer.vocab_size == len(VOCABULARY) + 1
    assert tokenizer.configured_ends == ("<|im_end|>",)
    assert tokenizer.start_of_text == len(VOCABULARY)
    assert tokenizer.template == Template((VOCABULARY["<|endoftext|>"],))


def test_two_files_do_where_there_is_no_tokenizer_json(hub):
    directory = fetch_tokenizer("pair")
    oracle = tokenizers.Tokenizer(
        models.BPE.from_file(str(directory / "vocab.json"), str(directory / "merges.txt"))
    )
    oracle.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = load_tokenizer("pair")
    assert tokenizer.encode("the thé").tolist() == oracle.encode("the thé").ids
    assert tokenizer.end_of_text == VOCABULARY["<|endoftext|>"]


def test_a_copy_does_without_the_hub(hub, monkeypatch):
    for name in ("owner/chars", "pair"):
        fetch_tokenizer(name)
    hub.answer = 503
    assert load_tokenizer("owner/chars").encode("cab").tolist() == [2, 0, 1]
    assert load_tokenizer("pair").vocab_size == len(VOCABULARY)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    n_requests = len(hub.requests)
    assert load_tokenizer("owner/chars").vocab_size == 3
    assert len(hub.requests) == n_requests


def test_a_name_that_is_not_there_is_a_usage_error(hub):
    with pytest.raises(UsageError, match=f"no tokenizer 'none'.*{hub.url}.*hf auth login"):
        fetch_tokenizer("none")
    with pytest.raises(UsageError, match=f"no tokenizer 'bpe-fr'.*{hub.url}; did you mean bpe"):
        load_tokenizer("bpe-fr")
    with pytest.raises(UsageError, match=r"owner/weights at .*has no tokenizer"):
        fetch_tokenizer("owner/weights")


@pytest.mark.parametrize(
    ("answer", "code", "why"),
    [(403, "GatedRepo", "needs permission"), (500, "", "500"), (429, "", "429"), (418, "", "")],
)
def test_a_hub_that_gives_nothing_is_a_resource_error(hub, capfd, answer, code, why):
    hub.answer, hub.code = answer, code
    with pytest.raises(ResourceError, match=f"owner/chars: .*{hub.url}.*{why}.*HF_ENDPOINT") as it:
        fetch_tokenizer("owner/chars")
    assert "\n" not in str(it.value)
    assert capfd.readouterr() == ("", "")


def test_a_server_that_is_no_hub_is_a_resource_error(hub):
    hub.is_hub = False
    with pytest.raises(ResourceError, match="X-Repo-Commit"):
        fetch_tokenizer("owner/chars")


def test_no_network_is_a_resource_error_at_once(hub, monkeypatch, capfd):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ResourceError, match=r"127\.0\.0\.1:9.*cannot be asked.*tokenizer\.json"):
        fetch_tokenizer("owner/chars")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ResourceError, match="HF_HUB_OFFLINE"):
        fetch_tokenizer("owner/chars")
    assert capfd.readouterr() == ("", "")


def test_a_cache_that_cannot_be_written_is_a_resource_error(hub, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file"))
    with pytest.raises(ResourceError, match=r"tokenizer\.json cannot be downloaded"):
        fetch_tokenizer("owner/chars")


@pytest.mark.parametrize("tag", ["/{outside}/evil", "../../../evil", "a/b", ".", "a\\b"])
def test_a_tag_that_is_a_path_writes_nothing_outside_the_cache(hub, tmp_path, tag):
    outside = tmp_path / "outside"
    outside.mkdir()
    hub.tag = tag.format(outside=str(outside).strip("/"))
    with pytest.raises(ResourceError, match="not a name"):
        fetch_tokenizer("owner/chars")
    assert list(outside.iterdir()) == []
    assert not list(tmp_path.rglob("*evil*"))


def test_a_file_that_is_not_the_announced_one_is_not_kept(hub, tmp_path):
    hub.tag = "0" * 64
    with pytest.raises(ResourceError, match="damaged: its sha256"):
        fetch_tokenizer("owner/chars")
    hub.tag = ""
    assert fetch_tokenizer("owner/chars").is_dir()


def test_a_server_that_trickles_is_waited_for_a_bounded_time(hub, monkeypatch):
    monkeypatch.setattr("gptcli.runtime.hub._LONGEST_ASKING", 0.5)
    hub.delay = 0.3
    began = time.monotonic()
    with pytest.raises(ResourceError, match=r"did not answer within 0\.5 s"):
        fetch_tokenizer("owner/chars")
    assert time.monotonic() - began < 2


def test_settings_of_the_library_are_left_as_they_were(hub):
    before = logging.get_verbosity(), are_progress_bars_disabled()
    fetch_tokenizer("owner/chars")
    assert (logging.get_verbosity(), are_progress_bars_disabled()) == before


NAMES = ["gpt2", "owner/name", "Qwen/Qwen2.5-0.5B", "a", "a_b/c.d-e"]
NO_NAMES = [
    "", ".", "..", "../x", "a/../b", "/etc/passwd", "a/b/c", "a//b", "a/", "/a", "http://x/y",
    "x:y", "a b", "a\\b", "~/x", "a..b", "a--b", "-a", ".a", "a/.b", "a\n", "é", "a" * 97,
    "a?b", "a#b", "a%2e",
]  # fmt: skip


def test_names_of_the_hub_and_others(hub):
    assert all(map(is_hub_id, NAMES))
    assert not any(map(is_hub_id, NO_NAMES))
    for name in NO_NAMES:
        with pytest.raises(UsageError):
            fetch_tokenizer(name)
    assert hub.requests == []


def test_what_is_not_asked_for_is_not_sent(hub, tmp_path):
    program = (
        "from gptcli.tokenization.loading import load_tokenizer\n"
        "print(load_tokenizer('owner/chars').encode('cab').tolist())"
    )
    unwanted = ("HF_HUB_CACHE", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "HF_TOKEN")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    env = {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[2, 0, 1]\n", "")
    files = ("tokenizer.json", *SETTINGS_FILES)
    assert {path for _, path in hub.requests} == {
        f"/owner/chars/resolve/main/{name}" for name in files
    }
    assert (tmp_path / "home" / "hub").is_dir()
