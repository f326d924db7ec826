"""The loss of a large vocabulary in parts, against the logits of all tokens in float64."""

import pytest
import torch
from torch import Tensor, nn

from gptcli.accounting import activations
from gptcli.accounting.workload import Workload
from gptcli.config.model import ModelConfig
from gptcli.config.training import Precision
from gptcli.families.registry import FAMILIES
from gptcli.fast import head_loss
from gptcli.fast.head_loss import summed_loss, takes_parts
from gptcli.fast.layers import use_fast_layers
from gptcli.model.gpt import GPT, UNCOUNTED
from gptcli.model.initialization import new_model
from gptcli.training.step import batch_loss, batch_loss_in_parts

N, C, V = 37, 16, 101
REAL = (head_loss.LEAST, head_loss.AT_ONCE, head_loss.IN_CACHE)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several parts, of several pieces each, the last ones shorter."""
    monkeypatch.setattr(head_loss, "AT_ONCE", 4 * 10 * V)
    monkeypatch.setattr(head_loss, "IN_CACHE", 4 * V)


def drawn(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    stream = torch.randn(N, C, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(V, C, generator=generator).requires_grad_()
    return stream, weight, torch.randint(V, (N,), generator=generator)


def in_float64(
    stream: Tensor, weight: Tensor, targets: Tensor, cap: float | None
) -> tuple[Tensor, ...]:
    x, w = (one.detach().double().requires_grad_() for one in (stream, weight))
    logits = x @ w.T
    if cap is not None:
        logits = cap * torch.tanh(logits / cap)
    counted = targets != UNCOUNTED
    loss = nn.functional.cross_entropy(logits[counted], targets[counted], reduction="sum")
    return (loss.detach(), *torch.autograd.grad(3 * loss, (x, w)))


@pytest.mark.parametrize("cap", [None, 2.0])
@pytest.mark.parametrize("n_left_out", [0, 5, N])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_and_gradients_are_those_of_whole_logits(
    dtype: torch.dtype, n_left_out: int, cap: float | None
) -> None:
    stream, weight, targets = drawn(dtype)
    targets[:n_left_out] = UNCOUNTED
    loss = summed_loss(stream, weight, targets, cap)
    (3 * loss).backward()
    found = (loss.detach(), stream.grad, weight.grad)
    bound = 1e-5 if dtype == torch.float32 else 0.02
    for one, oracle in zip(found, in_float64(stream, weight, targets, cap), strict=True):
        assert one is not None
        assert float((one.double() - oracle).norm()) <= bound * float(oracle.norm())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("share", [None, 0.5])
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "nanochat"])
def test_every_family_has_the_loss_of_its_logits(
    family: str, share: float | None, precision: Precision
) -> None:
    model = model_of(family)
    tokens = torch.arange(4 * 17).reshape(4, 17) % V
    counted = None if share is None else torch.arange(4 * 16).reshape(4, 16) % 2 == 0
    found = {}
    for loss in (batch_loss, batch_loss_in_parts):
        model.zero_grad()
        value = loss(model, tokens, counted, precision)
        value.backward()
        found[loss] = [value.detach(), *(one.grad for one in model.parameters())]
    for ours, oracle in zip(found[batch_loss_in_parts], found[batch_loss], strict=True):
        bound = 1e-5 if precision == "float32" else 0.02
        assert float((ours - oracle).norm()) <= bound * max(1e-3, float(oracle.norm()))


def test_without_onednn_the_loss_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, weight, targets = drawn(torch.float32)
    usual = summed_loss(stream, weight, targets, None)
    monkeypatch.setattr(head_loss, "is_onednn_faster", lambda: False)
    torch.testing.assert_close(summed_loss(stream, weight, targets, None), usual)


def model_of(family: str, **switches: object) -> GPT:
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": C, "block_size": 16, "vocab_size": V}
    fields = {**FAMILIES[family].switches, **sizes, **switches}
    return use_fast_layers(new_model(ModelConfig.from_fields(fields), 1))


def test_parts_are_for_many_logits_of_a_head_without_a_bias() -> None:
    def takes(n_tokens: int, **switches: object) -> bool:
        return takes_parts(model_of("gpt2", **switches).config, n_tokens)

    assert takes(head_loss.LEAST // V + 1)
    assert not takes(head_loss.LEAST // V)
    assert not takes(10**9, lm_head_bias=True, tied=False)
    assert not takes(10**9, lm_head=False, tied=False, n_embd=V - 1, vocab_size=V - 1)
    assert not takes_parts(model_of("llama").config.scoring(), 10**9)


@pytest.mark.parametrize("switches", [{}, {"lm_head_bias": True, "tied": False}])
@pytest.mark.parametrize("rows", [1, 10**4])
def test_memory_is_counted_in_parts_where_the_loss_is(rows: int, switches) -> None:
    config = model_of("gpt2", **switches).config
    work = Workload(config.block_size, rows)
    assert activations._is_in_parts(config, work) == takes_parts(config, work.tokens)


def test_memory_is_counted_with_the_same_numbers() -> None:
    counted = (
        activations._LEAST_IN_PARTS, activations._BYTES_OF_PART, activations._LOGITS_IN_CACHE,
    )  # fmt: skip
    assert counted == REAL
