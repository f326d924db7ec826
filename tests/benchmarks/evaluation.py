"""The whole val split through the lecture's model, in turn with a plain nanoGPT-style loop.

The plain loop takes the same weights and tokens: torch's own layers, logits for every place,
64 windows to a batch as nanoGPT's CPU setting has them. Both run in this process in turn.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from gptcli.config.model import ModelConfig
from gptcli.data.dataset import Dataset
from gptcli.evaluation.loss import evaluate_split
from gptcli.fast.layers import use_fast_layers
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from tests.benchmarks.contestants import prepare
from tests.benchmarks.machine import print_title
from tests.benchmarks.timing import spread

_ROUNDS = 3
_ROWS = 64


def run(folder: Path) -> None:
    """Print seconds of both and their ratio."""
    prepare(folder)
    times: dict[str, list[float]] = {"gptcli": [], "plain loop": []}
    losses: dict[str, float] = {}
    ours, theirs = _contestants(folder / "data/input")
    for _ in range(_ROUNDS):
        for name, evaluate in (("gptcli", ours), ("plain loop", theirs)):
            started = time.perf_counter()
            losses[name] = evaluate()
            times[name].append(time.perf_counter() - started)
    assert abs(losses["gptcli"] - losses["plain loop"]) < 1e-5, losses
    print_title("evaluation: the lecture's model (10.8M), whole val split, float32")
    for name, values in times.items():
        print(f"  {name:<12}{spread(values, unit=' s')}")
    middle = {name: statistics.median(values) for name, values in times.items()}
    print(f"  {middle['plain loop'] / middle['gptcli']:.2f}x as fast")


def _contestants(directory: Path) -> tuple[Callable[[], float], Callable[[], float]]:
    dataset = Dataset.open(directory)
    config = ModelConfig(6, 6, 384, 256, dataset.vocab_size, bias=False)
    model = use_fast_layers(new_model(config, 0)).eval()
    tokens = dataset.val.read(0, dataset.val.n_tokens)
    plain = _plain(model, config)

    def loop() -> float:
        return _plain_loss(plain, tokens, config.block_size)

    return lambda: evaluate_split(model, dataset.val, "cpu").loss, loop


def _plain(model: GPT, config: ModelConfig) -> Callable[[Tensor], Tensor]:
    """nanoGPT's model, in torch's own layers."""
    weights = dict(model.named_parameters())
    C, n_head = config.n_embd, config.n_head

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, weights[name])

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (C,), weights[name], None, 1e-5)

    class Plain(nn.Module):
        def forward(self, ids: Tensor) -> Tensor:
            B, T = ids.shape
            x = F.embedding(ids, weights["token_embedding.weight"])
            x = x + weights["position_embedding.weight"][:T]
            for index in range(config.n_layer):
                block = f"blocks.{index}."
                mixed = linear(
                    norm(x, block + "attention_norm.weight"),
                    block + "attention.query_key_value.weight",
                )
                q, k, v = (
                    part.view(B, T, n_head, C // n_head).transpose(1, 2)
                    for part in torch.split(mixed, C, dim=2)
                )
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
                y = y.transpose(1, 2).contiguous().view(B, T, C)
                x = x + linear(y, block + "attention.output.weight")
                inner = linear(norm(x, block + "mlp_norm.weight"), block + "mlp.up.weight")
                x = x + linear(F.gelu(inner, approximate="tanh"), block + "mlp.down.weight")
            return linear(norm(x, "final_norm.weight"), "token_embedding.weight")

    assert config.activation in ("gelu", "gelu_tanh")
    return torch.no_grad()(Plain().forward)


def _plain_loss(
    forward: Callable[[Tensor], Tensor], tokens: NDArray[np.int64], context: int
) -> float:
    n_full = (len(tokens) - 1) // context
    ids = torch.from_numpy(tokens)
    total, count = 0.0, 0
    windows = [(row * context, (row + 1) * context) for row in range(n_full)]
    groups = [windows[first : first + _ROWS] for first in range(0, n_full, _ROWS)]
    if n_full * context < len(tokens) - 1:
        groups.append([(n_full * context, len(tokens) - 1)])
    for group in groups:
        x = torch.stack([ids[start:end] for start, end in group])
        y = torch.stack([ids[start + 1 : end + 1] for start, end in group])
        logits = forward(x)
        loss = F.cross_entropy(logits.view(-1, logits.size(-1)), y.view(-1))
        total, count = total + float(loss) * y.numel(), count + y.numel()
    return total / count
