"""What tests share: the command line in this process or another, and the folder beside the repo."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from gptcli.cli import main
from gptcli.config.data import PrepareConfig
from gptcli.data.dataset import Dataset
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer

Pair = tuple[str, ...]  # a prompt and its answer, or the chosen and the rejected one
HUB_COMMIT = "0123456789abcdef0123456789abcdef01234567"
NO_HUB = "http://127.0.0.1:9"  # nothing listens there
SHARED = Path(__file__).resolve().parents[2] / "shared"


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and its two streams."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def shared() -> Path:
    """The folder of corpora and reference figures beside the repository; skips without it."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there: its corpora and figures are not part of gptcli")
    return SHARED


@pytest.fixture(scope="session")
def any_model():
    """A strategy of small models, of every family and of none."""
    from hypothesis import strategies as st

    from gptcli.config.model import ModelConfig
    from gptcli.config.rope import RopeScaling

    flag, size = st.booleans(), st.integers(1, 6)

    @st.composite
    def models(draw):
        n_head = draw(st.sampled_from([1, 2, 4]))
        n_embd = n_head * 2 * draw(st.integers(1, 4))
        lm_head, projections, has_score = draw(flag), draw(flag), draw(st.integers(0, 3)) == 0
        inner = st.sampled_from([0, n_embd] if not projections else [None, 0, 1, 7])
        config = ModelConfig(
            n_layer=draw(st.integers(1 if lm_head else 0, 4)),
            n_head=n_head,
            n_embd=n_embd,
            block_size=draw(size),
            vocab_size=draw(size) if lm_head else n_embd,
            n_kv_head=draw(st.sampled_from([1, n_head])),
            head_dim=draw(st.sampled_from([None, 2, 6])) if projections else None,
            n_inner=draw(inner),
            positions=draw(st.sampled_from(["learned", "rotary", "none"])),
            rope_scaling=draw(st.sampled_from([None, RopeScaling(8.0, 1.0, 4.0, 32)])),
            norm=draw(st.sampled_from(["layer", "rms", "plain_rms", "none"])),
            activation=draw(st.sampled_from(["gelu", "relu_squared", "silu"])),
            logit_cap=draw(st.sampled_from([None, 15.0])),
            tied=lm_head and draw(flag),
            lm_head_bias=lm_head and draw(flag),
            lm_head=lm_head,
            projections=projections,
            **{name: draw(flag) for name in ("bias", "qkv_bias", "qk_norm", "gated", "residual")},
            **{name: draw(flag) for name in ("embedding_norm", "rope_reversed")},
        )
        return config.scoring() if has_score and config.n_layer else config

    return models()


@pytest.fixture(autouse=True)
def same_arithmetic_afterwards() -> Iterator[None]:
    """A run sets threads and determinism of its process, on which other tests' figures depend."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """``cli("prepare", "input.txt", stdin=...)``: in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("HF_ENDPOINT", os.environ.get("HF_ENDPOINT", NO_HUB))

    def run(*argv: object, stdin: str | bytes = b"") -> Outcome:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "argv", ["gptcli", *map(str, argv)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        streams = capsys.readouterr()
        code = stopped.value.code
        return Outcome(code if isinstance(code, int) else 0, streams.out, streams.err)

    return run


@dataclass
class Hub:
    """A server on the loopback that knows the few requests huggingface_hub makes for a file."""

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    answer: int = 200  # any other is the answer to everything
    code: str = ""  # what the hub says about an error, for machines
    tag: str = ""  # of every file; without one its sha256
    delay: float = 0.0  # seconds between the parts of an answer
    pause: float = 0.0  # seconds between the bytes of a file
    is_hub: bool = True  # else a web server that answers everything with a page


def hub_handler(hub: Hub) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hub.requests.append((self.command, self.path))
            status, code, content = self.found()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for _ in range(10 if hub.delay else 0):
                time.sleep(hub.delay)
                self.send_header("X-Slow", "1")
                self.flush_headers()
            if code:
                self.send_header("X-Error-Code", code)
            if hub.is_hub:
                self.send_header("ETag", f'"{hub.tag or hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", HUB_COMMIT)
                self.send_header("X-HF-Warning", "nag; please sign in")
            self.end_headers()
            if self.command == "GET" and not hub.pause:
                self.wfile.write(content)
            elif self.command == "GET":
                self.trickle(content)

        def trickle(self, content: bytes) -> None:
            with contextlib.suppress(OSError):  # nobody waits any longer
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(hub.pause)

        do_HEAD = do_GET  # noqa: N815

        def found(self) -> tuple[int, str, bytes]:
            repository, _, file = self.path[1:].partition("/resolve/main/")
            if self.path.startswith("/api/"):
                repository = self.path.removeprefix("/api/").partition("/tree/main")[0]
            files = hub.repositories.get(repository)
            if hub.answer != 200 or not hub.is_hub:
                return hub.answer, hub.code, b"<html>"
            if files is None:
                return 401, "RepoNotFound", b""
            if self.path.startswith("/api/"):
                listed = [
                    {"type": "file", "path": name, "size": len(content), "oid": name}
                    for name, content in files.items()
                ]
                return 200, "", json.dumps(listed).encode()
            return (200, "", files[file]) if file in files else (404, "EntryNotFound", b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on the loopback without any repository yet, and an empty cache."""
    hub = Hub()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), hub_handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    yield hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def run_gptcli(tmp_path: Path) -> Callable[..., Outcome]:
    """``run_gptcli("prepare", "input.txt", cwd=..., env={...})``: as a process of its own."""

    def run(
        *argv: object,
        cwd: Path = tmp_path,
        env: dict[str, str] | None = None,
        stdin: str | bytes = b"",
        timeout: float = 120,
    ) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "gptcli", *map(str, argv)],
            cwd=cwd,
            env={"HF_ENDPOINT": NO_HUB, **os.environ, "PYTHONUTF8": "1", **(env or {})},
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def masked_dataset(tmp_path: Path) -> Callable[..., Dataset]:
    """``masked_dataset(train, val)``: pairs of prompt and completion, of which the latter counts.

    With a third text, the rejected answer, they are pairs of answers.

    Written here byte by byte, so that reading is not tested against our own writing.
    """

    def make(
        train: Sequence[Pair],
        val: Sequence[Pair] = (),
        name: str = "masked",
        per_shard: int = 10**6,
    ) -> Dataset:
        tokenizer = character_tokenizer("".join(chain(*train, *val)))
        directory = tmp_path / "data" / name
        directory.mkdir(parents=True)
        splits = {
            split: _write_split(directory / split, pairs, tokenizer, per_shard)
            for split, pairs in (("train", train), ("val", val))
        }
        (directory / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
        record = {
            "format": "gptcli.dataset/1",
            "created": "2026-01-01T00:00:00Z",
            "dtype": "uint16",
            "vocab_size": tokenizer.vocab_size,
            "tokenizer": tokenizer.identity,
            "source": {"name": name},
            "splits": splits,
            **({"pairs": True} if len(train[0]) == 3 else {}),
        }
        (directory / "dataset.json").write_text(json.dumps(record))
        return Dataset.open(directory)

    return make


def _write_split(
    folder: Path, pairs: Sequence[Pair], tokenizer: Tokenizer, per_shard: int
) -> dict[str, Any]:
    folder.mkdir()
    text = "".join(map("".join, pairs))
    ids = np.array(tokenizer.encode(text), dtype="<u2")
    marks = ([mark] * len(part) for parts in pairs for mark, part in enumerate(parts))
    mask = bytes(chain(*marks))
    starts = accumulate((len("".join(parts)) for parts in pairs[:-1]), initial=0)
    places = np.array([*starts] if pairs else [], dtype="<u8").tobytes()
    (folder / "documents.bin").write_bytes(places)
    shards = []
    for index, first in enumerate(range(0, len(ids), per_shard)):
        stem = f"part-{index:05d}"
        tokens = ids[first : first + per_shard].tobytes()
        counted = mask[first : first + per_shard]
        (folder / f"{stem}.bin").write_bytes(tokens)
        (folder / f"{stem}.mask").write_bytes(counted)
        shards.append(
            {
                "file": f"{folder.name}/{stem}.bin",
                "tokens": len(counted),
                "sha256": hashlib.sha256(tokens).hexdigest(),
                "mask_sha256": hashlib.sha256(counted).hexdigest(),
            }
        )
    return {
        "tokens": len(ids),
        "characters": len(text),
        "bytes": len(text.encode()),
        "shards": shards,
        "documents": len(pairs),
        "targets": mask.count(1),
        "starts_sha256": hashlib.sha256(places).hexdigest(),
    }


@pytest.fixture
def prepare_string(tmp_path: Path) -> Callable[..., Dataset]:
    """``prepare_string("some text", directory, val_fraction=0.5)``: its characters, prepared."""

    def make(text: str, directory: Path, *, val_fraction: float = 0.1, **options: Any) -> Dataset:
        source = tmp_path / f"{directory.name}.txt"
        source.write_bytes(text.encode())
        request = Preparation([str(source)], config=PrepareConfig(val_fraction=val_fraction))
        return prepare(request, directory, **options)

    return make


@pytest.fixture(scope="session")
def randomized():
    """A model whose biases and norms are random too, so that none of them can be forgotten."""

    from gptcli.model.initialization import new_model

    def make(config, seed: int):
        model = new_model(config, seed)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
        return model.eval()

    return make


@pytest.fixture(scope="session")
def random_ids():
    """Two rows as long as the context."""

    def make(config, seed: int):
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(0, config.vocab_size, (2, config.block_size), generator=generator)

    return make


@pytest.fixture
def model():
    """One layer, a context of 8, 27 tokens."""
    from gptcli.config.model import ModelConfig
    from gptcli.model.initialization import new_model

    return new_model(ModelConfig(1, 2, 16, 8, 27), 2).eval()


@pytest.fixture
def random_tokens() -> Callable[[int], Any]:
    """``random_tokens(300)``: so many tokens of a text that never was."""
    from gptcli.data.text_tokens import TextTokens

    def make(n_tokens: int) -> TextTokens:
        ids = np.random.default_rng(1).integers(0, 27, n_tokens).astype(np.uint32)
        return TextTokens(ids, n_tokens, n_tokens)

    return make


@pytest.fixture
def transformers_model() -> Callable[..., Path]:
    """``transformers_model(LlamaForCausalLM, tokenizer, directory)``: a small one, saved there."""
    from transformers import LlamaConfig

    def make(kind: Any, tokenizer: Tokenizer, directory: Path) -> Path:
        torch.manual_seed(1)
        config = LlamaConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=16,
            initializer_range=0.5,  # so that the context matters
            num_labels=1,
            pad_token_id=tokenizer.vocab_size - 1,  # a score is read before padding
        )
        kind(config).save_pretrained(directory)
        (directory / "tokenizer.json").write_text(tokenizer.to_json())
        return directory

    return make
