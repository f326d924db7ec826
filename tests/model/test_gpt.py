"""What every GPT keeps: causality, rows apart, the cache, initialisation, the published sizes."""

import math
from dataclasses import replace

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.families.registry import FAMILIES, PRESETS, find_preset
from gptcli.model.cache import KeyValueCache
from gptcli.model.gpt import next_token_loss
from gptcli.model.initialization import new_model, shape_of_model

SMALL = ModelConfig(n_layer=2, n_head=3, n_embd=12, block_size=10, vocab_size=17)
MEMBERS = {
    name: ModelConfig(
        **{"n_layer": 2, "n_head": 4, "n_embd": 16, "block_size": 10, "vocab_size": 17},
        **family.switches,
        **({"n_kv_head": 2} if family.may_choose("n_kv_head") else {}),
    )
    for name, family in FAMILIES.items()
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("position", [1, 5, 9])
def test_a_token_changes_no_logits_before_it(randomized, family: str, position: int) -> None:
    model = randomized(MEMBERS[family], 3)
    ids = torch.arange(10)[None] % SMALL.vocab_size
    changed = ids.clone()
    changed[0, position] = 16
    with torch.no_grad():
        before, after = model(ids), model(changed)
    torch.testing.assert_close(before[:, :position], after[:, :position], rtol=0, atol=1e-6)
    assert not torch.allclose(before[:, position], after[:, position])


def test_rows_of_a_batch_do_not_see_each_other(randomized, random_ids) -> None:
    model = randomized(SMALL, 4)
    ids = random_ids(SMALL, 12)
    with torch.no_grad():
        whole = model(ids)
        alone = torch.cat([model(row[None]) for row in ids])
    torch.testing.assert_close(whole, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("sizes", [[10], [1] * 10, [4, 1, 3, 2]])
def test_cached_logits_equal_uncached_ones(
    randomized, random_ids, family: str, sizes: list[int]
) -> None:
    config = MEMBERS[family]
    model = randomized(config, 5)
    ids = random_ids(config, 13)
    cache = KeyValueCache(config, 2, torch.device("cpu"), torch.float32)
    with torch.no_grad():
        pieces = torch.cat([model(part, cache) for part in ids.split(sizes, dim=1)], dim=1)
        torch.testing.assert_close(pieces, model(ids), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("preset", [name for name in PRESETS if name.startswith("lecture")])
def test_untrained_loss_of_the_lectures_models_is_near_ln_of_the_vocabulary(preset: str) -> None:
    config = find_preset(preset).model
    small = replace(config, n_embd=min(config.n_embd, 65), n_head=min(config.n_head, 5))
    assert untrained_loss(small) == pytest.approx(math.log(65), abs=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_untrained_loss_is_near_ln_of_the_vocabulary(family: str) -> None:
    config = replace(MEMBERS[family], n_embd=64, block_size=32, vocab_size=5000)
    assert untrained_loss(config) == pytest.approx(math.log(5000), abs=0.05)


def untrained_loss(config: ModelConfig) -> float:
    generator = torch.Generator().manual_seed(6)
    ids = torch.randint(0, config.vocab_size, (8, config.block_size + 1), generator=generator)
    with torch.no_grad():
        return float(next_token_loss(new_model(config, 7).eval()(ids[:, :-1]), ids[:, 1:]))


@pytest.mark.parametrize(("preset", "count"), [("lecture", 10_788_929), ("gpt2", 124_439_808)])
def test_presets_have_the_published_number_of_parameters(preset: str, count: int) -> None:
    model = shape_of_model(find_preset(preset).model)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_initialization_has_gpt2s_spread() -> None:
    config = ModelConfig(n_layer=8, n_head=4, n_embd=128, block_size=64, vocab_size=256)
    model = new_model(config, 8)
    block = model.blocks[3]
    scaled = 0.02 / math.sqrt(2 * config.n_layer)
    for weight, std in (
        (model.token_embedding.weight, 0.02),
        (model.position_embedding.weight, 0.02),
        (block.attention.query_key_value.weight, 0.02),
        (block.mlp.up.weight, 0.02),
        (block.attention.output.weight, scaled),
        (block.mlp.down.weight, scaled),
    ):
        assert float(weight.detach().std()) == pytest.approx(std, rel=0.05)
        assert float(weight.detach().mean()) == pytest.approx(0, abs=std / 10)
    assert float(block.attention.output.bias.detach().abs().max()) == 0
    assert model.lm_head.weight is model.token_embedding.weight


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, again, other = new_model(SMALL, 9), new_model(SMALL, 9), new_model(SMALL, 10)
    weight = "blocks.1.mlp.up.weight"
    assert torch.equal(first.state_dict()[weight], again.state_dict()[weight])
    assert not torch.equal(first.state_dict()[weight], other.state_dict()[weight])


def test_dropout_acts_in_training_only() -> None:
    config = ModelConfig(n_layer=1, n_head=1, n_embd=8, block_size=8, vocab_size=5, dropout=0.5)
    model = new_model(config, 11)
    ids = torch.zeros(1, 8, dtype=torch.long)
    with torch.no_grad():
        assert torch.equal(model.eval()(ids), model(ids))
        assert not torch.equal(model.train()(ids), model(ids))


def test_a_model_that_normalises_its_embeddings_starts_as_the_identity() -> None:
    config = ModelConfig(2, 2, 128, 8, 300, **FAMILIES["nanochat"].switches)
    model = new_model(config, 8)
    for block in model.blocks:
        assert not block.attention.output.weight.any()
        assert not block.mlp.down.weight.any()
    assert not model.lm_head.weight.any()
    assert float(model.token_embedding.weight.detach().std()) == pytest.approx(1, rel=0.05)
    spread = float(model.blocks[0].mlp.up.weight.detach().std())
    assert spread == pytest.approx(1 / math.sqrt(3 * 128), rel=0.05)
