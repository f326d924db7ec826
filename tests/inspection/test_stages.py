"""Every stage, of every kind of model, against the textbook in float64."""

import math

import pytest
import torch
from torch import Tensor

from gptcli.config.model import ModelConfig
from gptcli.inspection import vectors as vectors_file
from gptcli.inspection.capture import LayerRecord, attention_modules, record, recorded_layers
from gptcli.inspection.explicit import explicit_attention
from gptcli.inspection.heads import Head
from gptcli.inspection.pair import pair_steps
from gptcli.inspection.stage_names import STAGES
from gptcli.inspection.stages import stage_values
from gptcli.model.attention import Attention
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model

IDS = [0, 3, 8, 1, 1, 7, 2]
SIZES = {"n_layer": 2, "n_head": 4, "n_embd": 16, "block_size": 12, "vocab_size": 9}
MODELS = {
    "gpt2": {},
    "llama": {"positions": "rotary", "norm": "rms", "n_kv_head": 2, "bias": False, "gated": True},
    "qwen3": {"positions": "rotary", "norm": "rms", "n_kv_head": 1, "qk_norm": True, "head_dim": 8},
    "nanochat": {
        "positions": "rotary", "norm": "plain_rms", "qk_norm": True, "rope_reversed": True,
        "bias": False, "embedding_norm": True, "logit_cap": 15.0, "tied": False,
    },
    "lecture": {"norm": "none", "projections": False, "residual": False, "n_inner": 0},
}  # fmt: skip


def lively(model: GPT) -> GPT:
    """The model with matrices so large that no head is even."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return model


@pytest.fixture(params=MODELS)
def model(request) -> GPT:
    return lively(new_model(ModelConfig(**SIZES, **MODELS[request.param]), seed=2)).eval()


@torch.inference_mode()
def textbook(attention: Attention, layer: LayerRecord) -> dict[str, Tensor]:
    """Every stage of one layer but rollout, from projected vectors, by einsum in float64."""
    source = None if layer.source is None else layer.source[None]
    projected = attention.project(layer.received[None], layer.signal, source)
    query, key, value = (part[0].detach().double() for part in projected)
    shared = query.shape[0] // key.shape[0]
    key = torch.stack([key[head // shared] for head in range(query.shape[0])])
    value = torch.stack([value[head // shared] for head in range(query.shape[0])])
    raw = torch.einsum("htd,hsd->hts", query, key)
    scaled = raw / math.sqrt(query.shape[-1])
    future = torch.arange(raw.shape[2])[None] > torch.arange(raw.shape[1])[:, None]
    masked = torch.where(future & attention.causal, -math.inf, scaled)
    exponentials = (masked - masked.amax(-1, keepdim=True)).exp()
    weights = exponentials / exponentials.sum(-1, keepdim=True)
    H, D = attention.n_head, attention.head_size
    alone = torch.zeros(H, key.shape[1], H * D, dtype=torch.float64)
    for head in range(H):
        alone[head, :, head * D : (head + 1) * D] = value[head]
    matrix = getattr(attention.output, "weight", torch.eye(H * D)).detach().double()
    lengths = torch.einsum("hsi,oi->hso", alone, matrix).pow(2).sum(-1).sqrt()
    value_weighted = torch.einsum("hts,hs->hts", weights, lengths)
    return {"raw": raw, "scaled": scaled, "masked": masked, "softmax": weights,
            "value": value_weighted}  # fmt: skip


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found.double(), expected, atol=2e-5, rtol=2e-5)


def test_every_stage_is_that_of_the_textbook(model: GPT, monkeypatch) -> None:
    monkeypatch.setattr(vectors_file, "_CELLS_AT_ONCE", 1)
    recording = record(model, IDS)
    rollout = torch.eye(len(IDS), dtype=torch.float64)
    for number, attention in enumerate(attention_modules(model)):
        expected = textbook(attention, recording.layers[number])
        rollout = (expected["softmax"].mean(0) / 2 + torch.eye(len(IDS)) / 2) @ rollout
        expected["rollout"] = rollout.expand(4, -1, -1)
        assert expected.keys() == STAGES.keys()
        for stage in STAGES:
            close(stage_values(model, recording, number, stage), expected[stage])


def test_heads_with_their_bias_add_up_to_what_the_layer_writes(model: GPT) -> None:
    recording = record(model, IDS)
    for number, attention in enumerate(attention_modules(model)):
        layer = recording.layers[number]
        steps = [pair_steps(attention, layer, Head(number, head), 5, 3) for head in range(4)]
        bias = getattr(attention.output, "bias", None)
        total = sum(one.head_update for one in steps) + (0 if bias is None else bias)
        torch.testing.assert_close(total, layer.written[5], atol=1e-5, rtol=1e-5)
        assert all(torch.equal(one.layer_update, layer.written[5]) for one in steps)


def test_the_steps_of_a_pair_lead_from_its_vectors_to_the_stream(model: GPT) -> None:
    recording = record(model, IDS)
    attention, layer = attention_modules(model)[1], recording.layers[1]
    expected = textbook(attention, layer)
    for query_at, key_at in ((5, 2), (2, 5)):
        steps = pair_steps(attention, layer, Head(1, 3), query_at, key_at)
        place = (3, query_at, key_at)
        assert steps.raw == pytest.approx(float(expected["raw"][place]), rel=1e-5, abs=1e-5)
        assert float(steps.products.sum()) == pytest.approx(steps.raw, rel=1e-5, abs=1e-5)
        assert steps.scaled == pytest.approx(steps.raw / math.sqrt(attention.head_size))
        assert steps.masked == (steps.scaled if key_at < query_at else -math.inf)
        assert steps.weight == pytest.approx(float(expected["softmax"][place]), abs=1e-5)
        length = float(expected["value"][place])
        assert float(steps.added.norm()) == pytest.approx(length, rel=1e-4, abs=1e-5)
    with torch.inference_mode():
        values = attention.project(layer.received[None], layer.signal)[2][0]
    assert torch.equal(steps.value, values[steps.key_head, 5])


def test_the_stream_before_a_layer_and_what_it_adds_are_the_stream_after() -> None:
    model = lively(new_model(ModelConfig(**SIZES, n_inner=0), seed=2)).eval()
    recording, modules = record(model, IDS), attention_modules(model)
    first = pair_steps(modules[0], recording.layers[0], Head(0, 0), 4, 1)
    second = pair_steps(modules[1], recording.layers[1], Head(1, 0), 4, 1)
    torch.testing.assert_close(first.after, second.before)
    assert torch.equal(first.before, model.embed(torch.tensor([IDS]), torch.arange(7))[0][0, 4])


def test_a_pair_says_what_happened_to_its_query_and_key() -> None:
    prepared = {}
    for name, switches in MODELS.items():
        model = new_model(ModelConfig(**SIZES, **switches), seed=2).eval()
        layer = record(model, IDS).layers[0]
        prepared[name] = pair_steps(attention_modules(model)[0], layer, Head(0, 3), 1, 0).prepared
    assert prepared == {
        "gpt2": (), "llama": ("rotation",), "qwen3": ("norm", "rotation"),
        "nanochat": ("norm", "rotation"), "lecture": (),
    }  # fmt: skip


@pytest.mark.parametrize("n_source", [None, 3])
def test_encoders_and_cross_attention_see_every_key(n_source: int | None) -> None:
    torch.manual_seed(0)
    attention = Attention(ModelConfig(**SIZES), causal=False).eval()
    source = None if n_source is None else torch.randn(2, n_source, 16)
    with recorded_layers([attention]) as layers:
        attention(torch.randn(2, 5, 16), source=source)
    (layer,) = layers
    found, expected = explicit_attention(attention, layer), textbook(attention, layer)
    close(found.pattern, expected["softmax"])
    assert found.pattern.shape == (4, 5, n_source or 5)
    assert found.check.fused_max_error < 1e-6
    assert not attention._forward_hooks
