"""What is packed gives the patterns back; the oracle is the softmax, written out in numpy."""

import math

import numpy as np
import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.inspection.capture import attention_modules, record
from gptcli.inspection.excerpt import Excerpt
from gptcli.inspection.heads import Head
from gptcli.inspection.packed import (
    LEAST_BLOCKS,
    Packing,
    head_vectors,
    packed_layers,
    packings,
    vector_bytes,
)
from gptcli.model.initialization import new_model

CONFIG = ModelConfig(
    n_layer=2, n_head=4, n_embd=16, block_size=64, vocab_size=9, n_kv_head=2, positions="rotary"
)
WHOLE = Excerpt(0, 37)
IDS = np.random.default_rng(0).integers(0, 9, 37).tolist()


@pytest.fixture(scope="module")
def recorded():
    model = new_model(CONFIG, seed=1)
    model.load_state_dict({name: 9 * one for name, one in model.state_dict().items()})
    return model.eval(), record(model, IDS)


@torch.inference_mode()
def projected(model, recording, layer):
    """Queries, keys and values of one layer, (heads, T, D) each, as the model projects them."""
    attention, seen = attention_modules(model)[layer], recording.layers[layer]
    parts = attention.project(seen.received[None], seen.signal)
    return [part[0].double().numpy() for part in parts]


def exact_weights(model, recording, layer):
    """(H, T, T) in float64, from the model's own projections of its recorded input."""
    query, key, _ = projected(model, recording, layer)
    key = key.repeat(2, axis=0)  # two queries share a key
    scores = np.einsum("htd,hsd->hts", query, key) / math.sqrt(CONFIG.head_size)
    scores[:, *np.triu_indices(len(IDS), 1)] = -np.inf
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def unpacked(content: bytes, n_blocks: int):
    """Weights as the format is described: square roots, row by row to the diagonal."""
    codes = np.frombuffer(content, np.uint8).reshape(CONFIG.n_head, -1)
    weights = np.zeros((CONFIG.n_head, n_blocks, n_blocks))
    weights[:, *np.tril_indices(n_blocks)] = (codes / 255) ** 2
    return weights


def test_weights_come_back_within_the_error_that_is_told(recorded):
    packing = Packing("weights")
    for layer, packed in enumerate(packed_layers(*recorded, WHOLE, packing)):
        assert len(packed.content) == packing.layer_bytes(CONFIG, len(IDS))
        error = np.abs(unpacked(packed.content, len(IDS)) - exact_weights(*recorded, layer))
        assert error.max() == pytest.approx(packed.largest_error, abs=1e-6)
        assert 0 < error.max() <= 1 / 255


def test_a_block_is_the_mean_of_its_rows_sums(recorded):
    (first, _) = packed_layers(*recorded, WHOLE, Packing("weights", pool=5))
    exact = exact_weights(*recorded, 0)
    n_blocks = 8  # of 37 tokens, the last one with two
    expected = np.stack([
        np.stack([
            exact[:, i : i + 5, j : j + 5].sum(axis=2).mean(axis=1) for j in range(0, 37, 5)
        ], axis=1)
        for i in range(0, 37, 5)
    ], axis=1)  # fmt: skip
    assert expected.shape == (4, n_blocks, n_blocks)
    assert np.abs(unpacked(first.content, n_blocks) - expected).max() <= 1 / 255


def test_queries_and_keys_give_the_weights_within_the_error_that_is_told(recorded):
    packing = Packing("vectors")
    (_, second) = packed_layers(*recorded, WHOLE, packing)
    assert len(second.content) == packing.layer_bytes(CONFIG, len(IDS))
    parts = np.frombuffer(second.content, "<f2").reshape(6, len(IDS), CONFIG.head_size)
    query, key = parts[:4].astype(float), parts[4:].astype(float).repeat(2, axis=0)
    scores = np.einsum("htd,hsd->hts", query, key) / math.sqrt(CONFIG.head_size)
    scores[:, *np.triu_indices(len(IDS), 1)] = -np.inf
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    error = np.abs(powers / powers.sum(axis=-1, keepdims=True) - exact_weights(*recorded, 1)).max()
    assert error == pytest.approx(second.largest_error, abs=1e-6)
    assert error < 0.01


def test_the_vectors_of_a_head_are_those_of_the_model(recorded):
    model, recording = recorded
    found = head_vectors(model, recording, WHOLE, [Head(1, 3)])[Head(1, 3)]
    parts = projected(model, recording, 1)
    for name, part, index in zip(("query", "key", "value"), parts, (3, 1, 1), strict=True):
        own = np.frombuffer(getattr(found, name), "<f4").reshape(len(IDS), -1)
        assert np.allclose(own, part[index], atol=1e-6)
    value = parts[2][1]
    matrix = attention_modules(model)[1].output.weight.detach().double().numpy()[:, 12:16]
    written = np.linalg.norm(value @ matrix.T, axis=1)
    assert np.allclose(np.frombuffer(found.written, "<f4"), written, rtol=1e-5)
    assert set(np.frombuffer(found.earlier, "<f4")) == {-np.inf}
    names = ("query", "key", "value", "written", "earlier")
    assert sum(len(getattr(found, one)) for one in names) == vector_bytes(CONFIG, len(IDS))


@pytest.mark.parametrize(("n_tokens", "first"), [(64, "weights"), (513, "vectors")])
def test_vectors_are_smaller_in_texts_longer_than_eight_times_the_head_size(n_tokens, first):
    config = ModelConfig(n_layer=1, n_head=2, n_embd=128, block_size=1024, vocab_size=9)
    whole = list(packings(config, Excerpt(0, n_tokens)))
    assert [one.form for one in whole[:2]] == [first, *({"weights", "vectors"} - {first})]
    sizes = [one.layer_bytes(config, n_tokens) for one in whole]
    assert sizes == sorted(sizes[:2]) + sorted(sizes[2:], reverse=True)
    assert n_tokens // whole[-1].pool >= LEAST_BLOCKS


def test_an_excerpt_has_its_part_of_the_weights(recorded):
    shown = Excerpt(11, 30)
    exact = exact_weights(*recorded, 1)[:, 11:30, 11:30]
    assert [one.form for one in packings(CONFIG, shown)] == ["weights"]
    (_, second) = packed_layers(*recorded, shown, Packing("weights"))
    assert np.abs(unpacked(second.content, 19) - exact).max() <= 1 / 255
    found = head_vectors(*recorded, shown, [Head(1, 2)])[Head(1, 2)]
    query, key = (
        np.frombuffer(part, "<f4").astype(float).reshape(19, -1)
        for part in (found.query, found.key)
    )
    scores = query @ key.T / math.sqrt(CONFIG.head_size)
    scores[np.triu_indices(19, 1)] = -np.inf
    earlier = np.exp(np.frombuffer(found.earlier, "<f4").astype(float))
    powers = np.exp(scores)
    sums = powers.sum(axis=1) + earlier
    assert np.allclose(powers / sums[:, None], exact[2], atol=1e-5)
