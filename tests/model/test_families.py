"""Every family against transformers: logits, gradients and cached inference."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gptcli.checkpoint.layout import file_layout
from gptcli.config.model import ModelConfig
from gptcli.config.rope import RopeScaling
from gptcli.families.registry import FAMILIES, TRAINABLE, model_type_of
from gptcli.model.cache import KeyValueCache

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
SCALINGS = st.builds(
    RopeScaling,
    factor=st.floats(1.5, 32),
    low_freq_factor=st.floats(0.5, 1.5),
    high_freq_factor=st.floats(2, 8),
    original_context=st.integers(4, 64),
)


@st.composite
def members(draw: st.DrawFn, family: str) -> ModelConfig:
    """A small model of the family with any of its free choices."""
    n_head = draw(st.integers(1, 4))
    choices = {
        "n_kv_head": st.sampled_from([n for n in (1, 2, 3, 4) if n_head % n == 0]),
        "head_dim": st.sampled_from([None, 2, 6]),
        "n_inner": st.one_of(st.none(), st.integers(1, 20)),
        "rope_theta": st.floats(10, 1e6),
        "rope_scaling": st.one_of(st.none(), SCALINGS),
        "norm_epsilon": st.floats(1e-6, 1e-3),
        "activation": st.sampled_from(["gelu_tanh", "gelu", "relu", "relu_squared", "silu"]),
        "logit_cap": st.floats(1, 30),
        "bias": st.booleans(),
        "qkv_bias": st.booleans(),
        "tied": st.booleans(),
    }
    sizes = {
        "n_layer": draw(st.integers(1, 3)),
        "n_head": n_head,
        "n_embd": n_head * draw(st.sampled_from([2, 4, 6])),
        "block_size": draw(st.integers(2, 12)),
        "vocab_size": draw(st.integers(2, 40)),
    }
    row = FAMILIES[family]
    chosen = {name: draw(choices[name]) for name in row.free}
    return ModelConfig(**sizes, **{**row.switches, **chosen})


@pytest.mark.parametrize("family", TRAINABLE)
def test_logits_equal_those_of_transformers(family, randomized, random_ids, oracle_of) -> None:
    @settings(max_examples=20, deadline=None)
    @given(config=members(family), seed=st.integers(0, 1000))
    def check(config: ModelConfig, seed: int) -> None:
        assert model_type_of(config) == family
        model, ids = randomized(config, seed), random_ids(config, seed)
        oracle = oracle_of(model)
        with torch.no_grad():
            ours, theirs = model(ids), oracle(ids).logits
            assert (ours - theirs).norm() <= 1e-5 * theirs.norm()
            exact = in_float64(oracle)(ids).logits
            torch.testing.assert_close(model.double()(ids), exact, **CLOSE)

    check()


@pytest.mark.parametrize("family", TRAINABLE)
def test_cached_logits_equal_those_of_transformers(
    family, randomized, random_ids, oracle_of
) -> None:
    @settings(max_examples=12, deadline=None)
    @given(config=members(family), seed=st.integers(0, 1000), data=st.data())
    def check(config: ModelConfig, seed: int, data: st.DataObject) -> None:
        model, ids = randomized(config, seed), random_ids(config, seed)
        cut = data.draw(st.integers(1, config.block_size - 1))
        parts = [ids[:, :cut], *ids[:, cut:].split(1, dim=1)]
        cache = KeyValueCache(config, 2, torch.device("cpu"), torch.float64)
        oracle = in_float64(oracle_of(model))
        model.double()
        with torch.no_grad():
            pieces = torch.cat([model(part, cache) for part in parts], dim=1)
            torch.testing.assert_close(pieces, oracle(ids).logits, **CLOSE)

    check()


def in_float64(oracle: nn.Module) -> nn.Module:
    """The model in float64 throughout; its own RMSNorm falls back to float32."""
    for parent in list(oracle.modules()):
        for name, norm in parent.named_children():
            if type(norm).__name__.endswith("RMSNorm"):
                setattr(parent, name, Norm64(norm))
    return oracle.double()


class Norm64(nn.Module):
    """x / sqrt(mean(x²) + ε), scaled where the norm it replaces has a scale."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.weight = getattr(norm, "weight", None)
        self.epsilon = getattr(norm, "variance_epsilon", None) or norm.eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = F.rms_norm(x, x.shape[-1:], eps=self.epsilon)
        return normed if self.weight is None else self.weight * normed


@pytest.mark.parametrize("family", TRAINABLE)
def test_gradients_equal_those_of_transformers(family, randomized, random_ids, oracle_of) -> None:
    @settings(max_examples=8, deadline=None)
    @given(config=members(family), seed=st.integers(0, 1000))
    def check(config: ModelConfig, seed: int) -> None:
        model = randomized(config, seed).double()
        oracle = in_float64(oracle_of(model))
        ids, targets = random_ids(config, seed), random_ids(config, seed + 1)
        for logits in (model(ids), oracle(ids).logits):  # in float64, as next_token_loss is not
            F.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
        ours, theirs = dict(model.named_parameters()), dict(oracle.named_parameters())
        for entry in file_layout(config):
            if entry.absent:
                continue
            expected = theirs[entry.name].grad
            expected = expected.t() if entry.transposed else expected
            rows = slice(entry.first_row, entry.first_row + entry.shape[0])
            got = ours[entry.parameter].grad[rows]
            torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-7)

    check()
