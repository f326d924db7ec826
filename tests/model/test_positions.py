"""Positions: order counts, rotary scores see distances alone, Llama 3 scales long contexts."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from gptcli.config.model import ModelConfig, Positions
from gptcli.families.registry import PRESETS
from gptcli.model.initialization import new_model
from gptcli.model.positions import RotaryPositions, Rotation, frequencies

CONFIG = ModelConfig(n_layer=1, n_head=1, n_embd=8, block_size=64, vocab_size=5, positions="rotary")


def rotation_at(positions: torch.Tensor, config: ModelConfig = CONFIG) -> Rotation:
    return RotaryPositions(config).signal(positions)


def turned(x: torch.Tensor, position: int, config: ModelConfig = CONFIG) -> torch.Tensor:
    return rotation_at(torch.tensor([position]), config).encode(x[None, None, None])[0, 0, 0]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 20), st.integers(0, 100))
def test_a_score_depends_on_the_distance_alone(a: int, b: int, shift: int, seed: int) -> None:
    q, k = torch.randn(2, 8, generator=torch.Generator().manual_seed(seed))
    near, far = turned(q, a) @ turned(k, b), turned(q, a + shift) @ turned(k, b + shift)
    torch.testing.assert_close(near, far, rtol=1e-4, atol=1e-4)


def test_turning_keeps_lengths_and_position_0_turns_nothing() -> None:
    x = torch.randn(8)
    torch.testing.assert_close(turned(x, 33).norm(), x.norm())
    assert torch.equal(turned(x, 0), x)


def test_the_reverse_rotation_undoes_the_other() -> None:
    x = torch.randn(8)
    back = turned(turned(x, 7), 7, replace(CONFIG, rope_reversed=True))
    torch.testing.assert_close(back, x)


@pytest.mark.parametrize("preset", ["llama3-8b", "llama3.1-405b", "llama3.2-1b"])
def test_published_frequencies_are_transformers(preset: str) -> None:
    config = PRESETS[preset].model
    scaling = config.rope_scaling
    theirs = LlamaConfig(
        hidden_size=config.n_embd,
        num_attention_heads=config.n_head,
        max_position_embeddings=config.block_size,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": config.rope_theta,
            "factor": scaling.factor if scaling else 1.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192 if scaling else config.block_size - 1,
        },
    )
    expected, _ = ROPE_INIT_FUNCTIONS["llama3"](theirs, torch.device("cpu"))
    got = frequencies(config, torch.device("cpu"))
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=0)


def last_logits(kind: str, ids: list[int]) -> torch.Tensor:
    return new_model(replace(CONFIG, positions=kind), 1).eval()(torch.tensor([ids]))[0, -1]


def test_the_order_of_the_past_counts_unless_there_are_no_positions() -> None:
    for kind in get_args(Positions):
        one, other = last_logits(kind, [1, 2, 3, 4]), last_logits(kind, [3, 1, 2, 4])
        assert torch.allclose(one, other, atol=1e-6) == (kind == "none")


def test_half_precision_stays_half_precision() -> None:
    x = torch.randn(1, 2, 3, 8, dtype=torch.bfloat16)
    assert rotation_at(torch.arange(3)).encode(x).dtype == torch.bfloat16
