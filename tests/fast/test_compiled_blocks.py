"""Compiled blocks compute what the blocks compute, and keep the model's names."""

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.errors import ResourceError
from gptcli.families.registry import FAMILIES
from gptcli.fast import block_attention
from gptcli.fast.compiled_blocks import (
    check_compiler,
    compile_blocks,
    has_compiler,
    uncompiled,
)
from gptcli.fast.layers import use_fast_layers
from gptcli.model.gpt import GPT, next_token_loss
from gptcli.model.initialization import new_model

CONFIG = ModelConfig(
    n_layer=2, n_head=2, n_embd=32, block_size=16, vocab_size=11, **FAMILIES["nanochat"].switches
)
IDS = torch.arange(33)[None].remainder(11)[:, :17]


def filled() -> GPT:
    """A model none of whose weights are zero."""
    model = new_model(CONFIG, 1)
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            parameter += 0.05 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(index)
            )
    return use_fast_layers(model)


def gradients(model: GPT) -> dict[str, torch.Tensor]:
    next_token_loss(model(IDS[:, :-1]), IDS[:, 1:]).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def test_gradients_and_names_are_those_of_the_model(tmp_path, monkeypatch) -> None:
    assert has_compiler("cpu"), "CI has one"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plain, compiled = filled(), filled()
    compile_blocks(compiled)
    expected, found = gradients(plain), gradients(compiled)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)
    kept = tmp_path / "gptcli" / "blocks"
    assert any(kept.iterdir()), "what was compiled is kept"
    assert kept.stat().st_mode & 0o077 == 0
    with uncompiled(True), torch.inference_mode():
        assert torch.equal(compiled(IDS[:, :-1]), plain(IDS[:, :-1]))


def test_in_bfloat16_attention_in_blocks_is_compiled_with_them(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(block_attention, "_QUERIES", 7)  # three blocks
    plain, compiled = filled(), filled()
    compile_blocks(compiled)
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = gradients(plain), gradients(compiled)
    for name, gradient in expected.items():
        error = float((found[name] - gradient).norm())
        assert error < 0.03 * float(gradient.norm()), name


def test_a_compiler_that_does_not_work_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ResourceError, match=r"no C\+\+ compiler.*install g\+\+"):
        check_compiler("cpu")
