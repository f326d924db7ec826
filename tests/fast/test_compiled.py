"""The compiled step against the eager model; each test compiles, which takes some seconds."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.config.sampling import SamplingConfig
from gptcli.errors import ResourceError
from gptcli.fast import compiled
from gptcli.fast.compiled import compile_step, find_step
from gptcli.fast.quantization import quantize
from gptcli.generation.decoder import Decoder
from gptcli.generation.generate import generate
from gptcli.model.cache import KeyValueCache
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")

GPT2 = ModelConfig(n_layer=1, n_head=2, n_embd=16, block_size=9, vocab_size=23)
LLAMA = ModelConfig(
    n_layer=1, n_head=4, n_kv_head=2, n_embd=16, block_size=9, vocab_size=23, norm="rms",
    positions="rotary", gated=True, activation="silu", bias=False, tied=False,
)  # fmt: skip


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setenv("TMPDIR", str(scratch))
    return tmp_path / "gptcli" / "steps"


def written(model: GPT, num_samples: int) -> list[list[int]]:
    config = SamplingConfig(max_new_tokens=40, num_samples=num_samples)
    decoder = Decoder(model, num_samples, "cpu")
    return [step.ids.tolist() for step in generate(decoder, [[1, 2]] * num_samples, config)]


@pytest.mark.parametrize(("config", "num_samples"), [(GPT2, 2), (LLAMA, 1), (LLAMA, 17)])
def test_a_compiled_step_writes_what_the_model_writes(config, num_samples, monkeypatch):
    model = new_model(config, 1).eval()
    with torch.no_grad():  # larger weights, so that the context matters
        for parameter in model.parameters():
            parameter.mul_(8)
    eager = written(model, num_samples)
    assert find_step(model, num_samples) is None
    compile_step(model, num_samples)
    assert not Decoder(model, num_samples, "cpu", compiled=False).is_compiled
    calls = []
    step = compiled.CompiledStep.__call__
    monkeypatch.setattr(
        compiled.CompiledStep, "__call__", lambda *given: calls.append(1) or step(*given)
    )
    assert written(model, num_samples) == eager
    assert len(calls) > 20


def test_weights_are_the_models_own_and_another_shape_has_its_own_step(empty_cache):
    compile_step(quantize(new_model(GPT2, 1).eval()), 1)
    (library,) = empty_cache.iterdir()
    assert not list(Path(tempfile.gettempdir()).glob("*"))
    assert os.environ["TMPDIR"] == tempfile.gettempdir()
    other = quantize(new_model(GPT2, 2).eval())
    assert find_step(new_model(GPT2, 1).eval(), 1) is None
    assert find_step(other, 2) is None
    compile_step(other, 2)  # its products of a few rows are another kernel
    assert find_step(other, 2) is not None
    step = find_step(other, 1)
    assert step is not None
    # While it is in use a kill would leave nothing behind.
    assert not [*empty_cache.glob(".*"), *Path(tempfile.gettempdir()).glob("*")]
    torch.testing.assert_close(logits_by(step, other), logits_by(None, other), rtol=0, atol=0.01)
    content = bytearray(library.read_bytes())
    content[len(content) // 2] ^= 255  # which torch would run, or crash on
    library.write_bytes(content)
    assert find_step(other, 1) is None


@torch.inference_mode()
def logits_by(step: compiled.CompiledStep | None, model: GPT) -> torch.Tensor:
    """After tokens 1, 2 and 3, the last by ``step`` or by the model."""
    cache = KeyValueCache(model.config, 1, torch.device("cpu"), torch.float32)
    model(torch.tensor([[1, 2]]), cache)
    last = torch.tensor([[3]])
    return model(last, cache)[:, -1] if step is None else step(last, cache)


def test_without_a_compiler_the_error_says_so(monkeypatch, empty_cache):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", "")
    with pytest.raises(ResourceError, match="cannot be compiled"):
        compile_step(new_model(GPT2, 1).eval(), 1)
    assert not list(empty_cache.iterdir())
