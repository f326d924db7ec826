"""Faster layers with the same weights, which replace those of a finished model in place.

``model/`` defines what is computed; this file computes it fast on the present machine. A model
is finished when it has its weights: then call ``use_fast_layers`` once.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gptcli.fast.block_attention import LONGEST, LONGEST_IN_FLOAT32, attend_in_blocks
from gptcli.fast.dropout import FastDropout, takes_fast_dropout
from gptcli.model.attention import Attention, attend

_Model = TypeVar("_Model", bound=nn.Module)
_Module = TypeVar("_Module", bound=nn.Module)
_SMALL_HEAD = 64  # numbers
_FEW_ROWS = 2  # up to here MKL is faster
_MANY_ROWS = 64  # of a batch in training or evaluation; a step of sampling has fewer
_ALIGNED = 64  # numbers of a row, which a GPU's fast products need
_MANY_TEXTS, _FEW_KEYS = 64, 16  # that grow at once; products of fewer keys are slow


def use_fast_layers(model: _Model) -> _Model:
    """Replace linear layers, dropout and the kernel of attention; parameters stay the same."""
    replace_linear(model, FastLinear)
    _replace(model, nn.Dropout, lambda one: FastDropout(one.p).train(one.training))
    for module in model.modules():
        if isinstance(module, Attention):
            module.kernel = attend_fast
    return model


def replace_linear(model: nn.Module, make: Callable[[nn.Linear], nn.Module]) -> None:
    """Replace each linear layer by what ``make`` returns for it."""
    _replace(model, nn.Linear, make)


def _replace(model: nn.Module, kind: type[_Module], make: Callable[[_Module], nn.Module]) -> None:
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, kind):
                setattr(parent, name, make(child))


def attend_fast(
    query: Tensor, key: Tensor, value: Tensor, past: int | None, dropout: float
) -> Tensor:
    """``attend``; on a CPU by products where its kernel is slow, or has no dropout.

    Texts in bfloat16 are read in blocks of queries, and so are short ones by small heads in
    float32. Where they are too long for that, small heads go by way of float32, whose kernel
    takes half as long for them. A new token of many texts looks back by two batched products.
    """
    in_blocks = takes_fast_dropout(query) if dropout else _takes_blocks(query, value, past)
    if in_blocks:
        return attend_in_blocks(query, key, value, past, dropout)
    if past and _takes_products(query, key):
        return attend_from_one(query, key, value)
    is_half = query.device.type == "cpu" and value.dtype == torch.bfloat16
    if not is_half or query.shape[3] >= _SMALL_HEAD:
        return attend(query, key, value, past, dropout)
    with torch.autocast("cpu", enabled=False):
        query, key = query.to(value.dtype), key.to(value.dtype)  # norms may have widened them
        return attend(query.float(), key.float(), value.float(), past, dropout).to(value.dtype)


def _takes_blocks(query: Tensor, value: Tensor, past: int | None) -> bool:
    is_half = value.dtype == torch.bfloat16
    is_small = value.dtype == torch.float32 and query.shape[3] < _SMALL_HEAD
    longest = LONGEST if is_half else LONGEST_IN_FLOAT32 if is_small else 0
    return past == 0 and value.device.type == "cpu" and 1 < query.shape[2] <= longest


def _takes_products(query: Tensor, key: Tensor) -> bool:
    return (
        query.shape[2] == 1
        and len(query) >= _MANY_TEXTS
        and key.shape[2] >= _FEW_KEYS
        and query.device.type == "cpu"
        and query.dtype == key.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
    )


def attend_from_one(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of the last position alone: query (B, H, 1, D), keys (B, K, S, D), all seen.

    The fused kernel is made for many queries, and takes up to 1.7 times as long.
    """
    B, H, _, D = query.shape
    K = key.shape[1]
    grouped = (query * D**-0.5).view(B * K, H // K, D)
    weights = torch.bmm(grouped, key.flatten(0, 1).transpose(1, 2)).softmax(-1)
    return torch.bmm(weights, value.flatten(0, 1)).view(B, H, 1, D)


class FastLinear(nn.Linear):
    """A linear layer with the weights of another, computed where that is faster by oneDNN.

    For float32 on x86, torch uses MKL, which is limited to AVX2 on AMD's processors. oneDNN,
    which is also part of torch, uses AVX-512 on every CPU that has it: 410 instead of 190
    GFLOP/s were measured on two Zen 5 cores. So it is used on all CPUs with AVX-512. (For
    bfloat16 torch uses oneDNN by itself.) On CUDA many rows are multiplied by a weight that is
    filled up to a number of rows that is aligned, as a vocabulary of 50,257 is not.
    """

    def __init__(self, linear: nn.Linear) -> None:
        has_bias = linear.bias is not None
        super().__init__(linear.in_features, linear.out_features, has_bias, device="meta")
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        if _takes_onednn(input, self.weight):
            if not torch.is_grad_enabled():
                return onednn_product(input, self.weight, self.bias)
            output: Tensor = _OneDNNProduct.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
            return output
        if _takes_padding(input, self.weight):
            return padded_linear(input, self.weight, self.bias)
        return super().forward(input)


def _takes_padding(x: Tensor, weight: Tensor) -> bool:
    is_many = x.numel() >= _MANY_ROWS * x.shape[-1]
    return x.device.type == "cuda" and is_many and weight.shape[0] % _ALIGNED > 0


def padded_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x (..., in) times the transpose of weight (out, in), filled up with rows that are dropped.

    Parameter, gradient and files keep their size.
    """
    missing = -weight.shape[0] % _ALIGNED
    filled = None if bias is None else F.pad(bias, (0, missing))
    return F.linear(x, F.pad(weight, (0, 0, 0, missing)), filled)[..., : weight.shape[0]]


def _takes_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        not torch.compiler.is_compiling()  # it has no such product for weights that change
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and x.numel() > _FEW_ROWS * x.shape[-1]
        and is_onednn_faster()
    )


@cache
def is_onednn_faster() -> bool:
    """Whether this CPU has AVX-512, with which oneDNN multiplies in float32 and MKL may not."""
    return (
        hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
    )


def onednn_product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a (M, K) times the transpose of b (N, K), plus bias (N,)."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")
    return product


class _OneDNNProduct(torch.autograd.Function):
    """y = x W^T + b; dx = dy W; dW = dy^T x; db = sum of dy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return onednn_product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        rows = dy.flatten(0, -2)  # (M, N)
        dx = onednn_product(rows, weight.t()).view_as(x) if ctx.needs_input_grad[0] else None
        dw = onednn_product(rows.t(), x.flatten(0, -2).t())
        return dx, dw, rows.sum(0) if ctx.has_bias else None
