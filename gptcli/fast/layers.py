"""The layers of a finished model, exchanged in place for faster ones with the same weights.

``model/`` says what is computed, this how it is computed fast here. A model is finished when it
has its weights, drawn or loaded: then ``use_fast_layers`` once, before it trains or is asked.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from gptcli.fast.onednn_linear import OneDNNLinear
from gptcli.model.attention import Attention, attend

_Model = TypeVar("_Model", bound=nn.Module)
_SMALL_HEAD = 64  # numbers


def use_fast_layers(model: _Model) -> _Model:
    """Exchange linear layers and the kernel of attention; the parameters stay the model's own."""
    replace_linear(model, OneDNNLinear)
    for module in model.modules():
        if isinstance(module, Attention):
            module.kernel = attend_fast
    return model


def replace_linear(model: nn.Module, make: Callable[[nn.Linear], nn.Module]) -> None:
    """Put what ``make`` makes of each linear layer in its place."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear):
                setattr(parent, name, make(child))


def attend_fast(
    query: Tensor, key: Tensor, value: Tensor, past: int | None, dropout: float
) -> Tensor:
    """``attend``, for small heads in bfloat16 on a CPU by way of float32.

    The CPU's bfloat16 kernel takes twice as long as the float32 one for them.
    """
    is_half = query.device.type == "cpu" and value.dtype == torch.bfloat16
    if not is_half or query.shape[3] >= _SMALL_HEAD:
        return attend(query, key, value, past, dropout)
    with torch.autocast("cpu", enabled=False):
        query, key = query.to(value.dtype), key.to(value.dtype)  # norms may have widened them
        return attend(query.float(), key.float(), value.float(), past, dropout).to(value.dtype)
