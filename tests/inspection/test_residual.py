"""The share of the stream that each head writes, against float64 sums head by head."""

import copy

import pytest
import torch
from torch import Tensor

from gptcli.config.model import ModelConfig
from gptcli.inspection.capture import attention_modules, record
from gptcli.inspection.excerpt import Excerpt
from gptcli.inspection.layer_measures import LayerMeasures
from gptcli.model.gpt import GPT

SIZES = {"n_layer": 2, "n_head": 4, "n_embd": 16, "block_size": 12, "vocab_size": 27}
GPT2 = ModelConfig(**SIZES)
LLAMA = ModelConfig(
    **SIZES, n_kv_head=2, head_dim=22, positions="rotary", norm="rms", gated=True,
    activation="silu", bias=False, tied=False, qk_norm=True,
)  # fmt: skip
FIRST_RUNG = ModelConfig(
    **SIZES, projections=False, residual=False, n_inner=0, norm="none", qkv_bias=False,
    lm_head_bias=True, tied=False,
)  # fmt: skip


def plain_shares(model: GPT, ids: Tensor) -> list[Tensor]:
    """(H, T) for each layer: every head alone is multiplied by its columns of the output."""
    model, found = copy.deepcopy(model).double(), []
    x, signal = model.embed(ids[None], torch.arange(len(ids)))
    for block in model.blocks:
        attention, H = block.attention, model.config.n_head
        query, key, value = (
            part[0].repeat_interleave(H // part.shape[1], dim=0)
            for part in attention.project(block.attention_norm(x), signal)
        )
        scores = torch.einsum("hid,hjd->hij", query, key) / query.shape[-1] ** 0.5
        future = torch.ones(len(ids), len(ids)).triu(1) > 0
        mixed = torch.einsum(
            "hij,hjd->hid", scores.masked_fill(future, -torch.inf).softmax(-1), value
        )
        gathered = block.attention(block.attention_norm(x), signal)
        stream = (x + gathered if model.config.residual else gathered)[0]
        writes = mixed
        if model.config.projections:
            writes = torch.einsum(
                "hid,chd->hic", mixed, attention.output.weight.unflatten(1, (H, -1))
            )
        found.append(writes.norm(dim=-1) / stream.norm(dim=-1))
        x = block.compute(x, gathered)
    return found


@pytest.mark.parametrize("config", [GPT2, LLAMA, FIRST_RUNG])
@pytest.mark.parametrize("first", [0, 4])
def test_the_share_is_the_length_written_over_that_of_the_stream(randomized, config, first):
    model = randomized(config, 1)
    ids = torch.randint(0, 27, (12,), generator=torch.Generator().manual_seed(first))
    recording = record(model, ids.tolist())
    expected = plain_shares(model, ids)
    for layer, attention in enumerate(attention_modules(model)):
        measures = LayerMeasures(attention)
        measures.read(recording.layers[layer], Excerpt(first, 10))
        shares = [head["residual_share"].value for head in measures.metrics.measured()]
        rows = expected[layer][:, max(first, 1) : 10]
        assert shares == pytest.approx(rows.mean(dim=1).tolist(), rel=1e-4)
