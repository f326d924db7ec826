"""The step for one token against the model with its cache."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.config.model import ModelConfig
from gptcli.model.cache import KeyValueCache
from gptcli.model.decoding import DecodingStep, row_product


def test_a_step_gives_the_logits_and_the_cache_of_the_model(any_model, randomized, random_ids):
    @settings(max_examples=60, deadline=None)
    @given(config=any_model, seed=st.integers(0, 1000))
    @torch.inference_mode()
    def check(config: ModelConfig, seed: int) -> None:
        if config.block_size < 2 or not config.n_layer:
            return
        model, ids = randomized(config, seed), random_ids(config, seed)
        parameter = model.token_embedding.weight
        kept, stepped = (
            KeyValueCache(config, len(ids), parameter.device, parameter.dtype) for _ in range(2)
        )
        for cache in (kept, stepped):
            model(ids[:, :1], cache)
        for place in range(1, config.block_size):
            new = ids[:, place : place + 1]
            expected = model(new, kept)[:, -1]
            keys, values = zip(*[layer.extend() for layer in stepped.layers], strict=True)
            found = DecodingStep(model)(new, list(keys), list(values))
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        for one, other in zip(kept.layers, stepped.layers, strict=True):
            torch.testing.assert_close(one.keys, other.keys, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(one.values, other.values, rtol=1e-4, atol=1e-5)

    check()


def test_row_product_is_the_linear_layer():
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*s, generator=generator) for s in ((1, 1, 7), (5, 7), (5,)))
    linear = torch.nn.functional.linear
    torch.testing.assert_close(row_product(x, weight, bias), linear(x, weight, bias))
    torch.testing.assert_close(row_product(x, weight), linear(x, weight))
