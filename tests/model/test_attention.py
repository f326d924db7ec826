"""Attention against torch's own module, and against heads computed one by one."""

import math

import pytest
import torch
from torch import nn

from gptcli.config.model import ModelConfig
from gptcli.model.attention import Attention

CONFIG = ModelConfig(n_layer=1, n_head=3, n_embd=12, block_size=10, vocab_size=5)
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def random_pair(causal: bool) -> tuple[Attention, nn.MultiheadAttention]:
    torch.manual_seed(1)
    ours = Attention(CONFIG, causal=causal).eval()
    theirs = nn.MultiheadAttention(CONFIG.n_embd, CONFIG.n_head, batch_first=True).eval()
    theirs.in_proj_weight = ours.query_key_value.weight
    theirs.in_proj_bias = ours.query_key_value.bias
    theirs.out_proj.load_state_dict(ours.output.state_dict())
    return ours, theirs


@pytest.mark.parametrize("causal", [True, False])
def test_self_attention_is_torchs(causal: bool) -> None:
    ours, theirs = random_pair(causal)
    x = torch.randn(2, 7, CONFIG.n_embd)
    mask = torch.ones(7, 7, dtype=torch.bool).triu(1) if causal else None
    expected, _ = theirs(x, x, x, attn_mask=mask, need_weights=False)
    torch.testing.assert_close(ours(x), expected, **CLOSE)


def test_cross_attention_is_torchs_in_value_and_gradient() -> None:
    ours, theirs = random_pair(causal=False)
    x, source = torch.randn(2, 4, CONFIG.n_embd), torch.randn(2, 9, CONFIG.n_embd)
    expected, _ = theirs(x, source, source, need_weights=False)
    output = ours(x, source=source)
    torch.testing.assert_close(output, expected, **CLOSE)
    weight = ours.query_key_value.weight
    (one,) = torch.autograd.grad(output.square().sum(), weight)
    (other,) = torch.autograd.grad(expected.square().sum(), weight)
    torch.testing.assert_close(one, other, **CLOSE)


def test_a_causal_layer_takes_no_other_source() -> None:
    ours, _ = random_pair(causal=True)
    with pytest.raises(AssertionError):
        ours(torch.randn(1, 2, 12), source=torch.randn(1, 3, 12))


@pytest.mark.parametrize("n_kv_head", [1, 2, 4])
def test_grouped_queries_equal_separate_heads_concatenated(n_kv_head: int) -> None:
    torch.manual_seed(2)
    config = ModelConfig(
        n_layer=1, n_head=4, n_kv_head=n_kv_head, head_dim=6, n_embd=8, block_size=9, vocab_size=5
    )
    attention, x = Attention(config), torch.randn(2, 7, 8)
    weight, bias, D = attention.query_key_value.weight, attention.query_key_value.bias, 6

    def projected(first_head: int) -> torch.Tensor:
        rows = slice(first_head * D, (first_head + 1) * D)
        return x @ weight[rows].T + bias[rows]

    mixed = []
    for head in range(4):
        group = head // (4 // n_kv_head)
        q, k, v = projected(head), projected(4 + group), projected(4 + n_kv_head + group)
        scores = q @ k.transpose(1, 2) / math.sqrt(D)
        scores = scores.masked_fill(torch.tril(torch.ones(7, 7)) == 0, -math.inf)
        mixed.append(scores.softmax(dim=-1) @ v)
    expected = attention.output(torch.cat(mixed, dim=-1))
    torch.testing.assert_close(attention(x), expected, **CLOSE)
