"""The lecture's models, rung by rung, against a rebuild with separate heads."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from gptcli.config.model import ModelConfig
from gptcli.families.registry import PRESETS
from gptcli.model.gpt import next_token_loss

RUNGS = {
    name.removeprefix("lecture-"): PRESETS[name].model
    for name in PRESETS
    if name.startswith("lecture")
}
RUNGS["lecture"] = replace(RUNGS["lecture"], n_layer=2, n_head=3, n_embd=24, block_size=16)


class OneHead(nn.Module):
    """A head of its own, with the triangle that the lecture keeps as a buffer."""

    def __init__(self, width: int, size: int, context: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, size, bias=False) for _ in range(3))
        self.register_buffer("triangle", torch.tril(torch.ones(context, context)))

    def forward(self, x: Tensor) -> Tensor:
        T = x.shape[1]
        scores = self.query(x) @ self.key(x).mT / math.sqrt(self.key.out_features)
        scores = scores.masked_fill(self.triangle[:T, :T] == 0, -math.inf)
        return scores.softmax(dim=-1) @ self.value(x)


class Rebuilt(nn.Module):
    """The rung's parts as the lecture has them at that point."""

    def __init__(self, rung: str, config: ModelConfig) -> None:
        super().__init__()
        C, V, self.rung = config.n_embd, config.vocab_size, rung
        self.table = nn.Embedding(V, C)
        if rung == "bigram":
            return
        self.places = nn.Embedding(config.block_size, C)
        self.blocks = nn.ModuleList(self.block(config) for _ in range(config.n_layer))
        self.last_norm = nn.LayerNorm(C) if self.has("layernorm", "lecture") else nn.Identity()
        self.head = nn.Linear(C, V)

    def has(self, *rungs: str) -> bool:
        return self.rung in rungs

    def block(self, config: ModelConfig) -> nn.ModuleDict:
        C, size = config.n_embd, config.n_embd // config.n_head
        heads = [OneHead(C, size, config.block_size) for _ in range(config.n_head)]
        parts: dict[str, nn.Module] = {"heads": nn.ModuleList(heads)}
        if self.has("feedforward"):
            parts["mlp"] = nn.Sequential(nn.Linear(C, C), nn.ReLU())
        if self.has("residual", "layernorm", "lecture"):
            parts["projection"] = nn.Linear(C, C)
            parts["mlp"] = nn.Sequential(nn.Linear(C, 4 * C), nn.ReLU(), nn.Linear(4 * C, C))
        if self.has("layernorm", "lecture"):
            parts |= {"norm1": nn.LayerNorm(C), "norm2": nn.LayerNorm(C)}
        return nn.ModuleDict(parts)

    def run_block(self, block: nn.ModuleDict, x: Tensor) -> Tensor:
        has_norms = "norm1" in block
        normed = block["norm1"](x) if has_norms else x
        gathered = torch.cat([head(normed) for head in block["heads"]], dim=-1)
        if "projection" not in block:
            return block["mlp"](gathered) if "mlp" in block else gathered
        x = x + block["projection"](gathered)
        return x + block["mlp"](block["norm2"](x) if has_norms else x)

    def forward(self, ids: Tensor) -> Tensor:
        if self.rung == "bigram":
            return self.table(ids)
        x = self.table(ids) + self.places(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = self.run_block(block, x)
        return self.head(self.last_norm(x))


Pairs = list[tuple[Tensor, Tensor]]


def all_pairs(ours: dict[str, Tensor], rebuilt: Rebuilt) -> Pairs:
    """Parts of our tensors, named as our parameters, beside the rebuild's parameters."""
    pairs = [(ours["token_embedding.weight"], rebuilt.table.weight)]
    if rebuilt.rung == "bigram":
        return pairs
    pairs.append((ours["position_embedding.weight"], rebuilt.places.weight))
    pairs += module_pairs(ours, "lm_head", rebuilt.head)
    pairs += module_pairs(ours, "final_norm", rebuilt.last_norm)
    for index, block in enumerate(rebuilt.blocks):
        pairs += block_pairs(ours, f"blocks.{index}.", block)
    return pairs


def module_pairs(ours, name: str, module: nn.Module) -> Pairs:
    return [(ours[f"{name}.{part}"], value) for part, value in module.named_parameters()]


def block_pairs(ours, prefix: str, block: nn.ModuleDict) -> Pairs:
    fused, pairs = ours[f"{prefix}attention.query_key_value.weight"], []
    heads = block["heads"]
    rows = iter(fused.split(fused.shape[0] // (3 * len(heads))))
    for part in ("query", "key", "value"):
        pairs += [(next(rows), getattr(head, part).weight) for head in heads]
    names = {"projection": "attention.output", "norm1": "attention_norm", "norm2": "mlp_norm"}
    for theirs, name in names.items():
        if theirs in block:
            pairs += module_pairs(ours, prefix + name, block[theirs])
    if "mlp" in block:
        linears = [layer for layer in block["mlp"] if isinstance(layer, nn.Linear)]
        for name, layer in zip(("mlp.up", "mlp.down"), linears, strict=False):
            pairs += module_pairs(ours, prefix + name, layer)
    return pairs


@pytest.mark.parametrize("rung", RUNGS)
def test_a_rung_computes_what_the_lecture_builds(randomized, random_ids, rung: str) -> None:
    config = RUNGS[rung]
    model, rebuilt = randomized(config, 1).double(), Rebuilt(rung, config).double()
    ids, targets = random_ids(config, 2), random_ids(config, 3)
    ours = dict(model.named_parameters())
    for part, theirs in all_pairs(ours, rebuilt):
        theirs.data.copy_(part.detach())
    next_token_loss(model(ids), targets).backward()
    next_token_loss(rebuilt(ids), targets).backward()

    torch.testing.assert_close(model(ids), rebuilt(ids))
    gradients = all_pairs({name: parameter.grad for name, parameter in ours.items()}, rebuilt)
    for part, theirs in gradients:
        torch.testing.assert_close(part, theirs.grad, rtol=1e-5, atol=1e-6)
    assert sum(part.numel() for part, _ in gradients) == sum(p.numel() for p in ours.values())
    assert len(gradients) == len(list(rebuilt.parameters()))


def test_the_bigram_is_a_table(randomized) -> None:
    model = randomized(RUNGS["bigram"], 1)
    (table,) = model.parameters()
    assert table.shape == (65, 65)
    assert torch.equal(model(torch.arange(8)[None])[0], table[:8])
