"""The step for one token against the model with its cache."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gptcli.config.model import ModelConfig
from gptcli.fast.decoding_step import DecodingStep
from gptcli.fast.packing import packed
from gptcli.fast.row_products import row_product
from gptcli.model.cache import KeyValueCache
from gptcli.model.initialization import new_model


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
            assume(bool(expected.isfinite().all()))  # which a model without norms may overflow
            positions = torch.arange(stepped.extend())
            step = DecodingStep(packed(model, len(ids)))
            found = step(new, positions, *stepped.tensors)
            scale = expected.abs().max().clamp(min=1)  # large where nothing is normalised
            rtol = 1e-4 if config.norm != "none" else 1e-3  # which amplifies every rounding
            torch.testing.assert_close(found / scale, expected / scale, rtol=rtol, atol=1e-5)
        for before, after in zip(kept.tensors, stepped.tensors, strict=True):
            for expected, found in zip(before, after, strict=True):
                scale = expected.abs().max().clamp(min=1)
                torch.testing.assert_close(found / scale, expected / scale, rtol=1e-4, atol=2e-5)

    check()


def test_only_a_few_rows_of_float32_take_a_packed_copy_which_leaves_the_model_alone():
    model = new_model(ModelConfig(1, 2, 8, block_size=4, vocab_size=19), 1)
    names = [name for name, _ in model.named_modules()]
    few = packed(model, 2)
    assert not any(isinstance(module, torch.nn.Linear) for module in few.modules())
    assert [name for name, _ in model.named_modules()] == names
    assert few.token_embedding.weight is model.token_embedding.weight
    assert packed(model, 1) is model
    assert packed(model, 17) is model
    assert packed(model.to(torch.bfloat16), 2) is model


def test_one_row_given_to_the_cache_is_in_every_row():
    config = ModelConfig(1, 2, 8, block_size=4, vocab_size=19)
    model, ids = new_model(config, 1).eval(), torch.tensor([[3, 1, 4]])
    one, three = (
        KeyValueCache(config, rows, torch.device("cpu"), torch.float32) for rows in (1, 3)
    )
    with torch.inference_mode():
        torch.testing.assert_close(model(ids, one), model(ids, three), rtol=0, atol=0)
        last = torch.tensor([[5]])
        alone, together = model(last, one), model(last.expand(3, -1), three)
    torch.testing.assert_close(together, alone.expand(3, -1, -1), rtol=1e-5, atol=1e-6)


def test_row_product_is_the_linear_layer():
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*s, generator=generator) for s in ((1, 1, 7), (5, 7), (5,)))
    linear = torch.nn.functional.linear
    torch.testing.assert_close(row_product(x, weight, bias), linear(x, weight, bias))
    torch.testing.assert_close(row_product(x, weight), linear(x, weight))


@pytest.mark.parametrize("width", [7, 8])  # read by bytes, and by words
def test_row_product_of_bytes(width):
    generator = torch.Generator().manual_seed(0)
    x, scale = torch.randn(1, 1, width, generator=generator), torch.rand(5, generator=generator)
    weight = torch.randint(-128, 128, (5, width), generator=generator, dtype=torch.int8)
    expected = torch.nn.functional.linear(x, weight.float() * scale[:, None])
    torch.testing.assert_close(row_product(x, weight, scale=scale), expected)
