"""The GPT against transformers' and against plain mathematics."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

from gptcli.checkpoint.config_json import model_config_json
from gptcli.checkpoint.layout import file_layout
from gptcli.config.model import ModelConfig
from gptcli.config.presets import find_preset
from gptcli.model.cache import KeyValueCache
from gptcli.model.gpt import GPT, next_token_loss
from gptcli.model.initialization import empty_model, new_model

SMALL = ModelConfig(n_layer=2, n_head=3, n_embd=12, block_size=10, vocab_size=17)


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    n_head = draw(st.integers(1, 4))
    return ModelConfig(
        n_layer=draw(st.integers(1, 3)),
        n_head=n_head,
        n_embd=n_head * draw(st.sampled_from([2, 4, 6])),
        block_size=draw(st.integers(1, 12)),
        vocab_size=draw(st.integers(2, 40)),
        activation=draw(st.sampled_from(["gelu_tanh", "gelu", "relu"])),
        bias=draw(st.booleans()),
        qkv_bias=draw(st.booleans()),
        tied=draw(st.booleans()),
    )


def randomized(config: ModelConfig, seed: int) -> GPT:
    """A model whose biases and norms are random too, so that none of them can be forgotten."""
    model = new_model(config, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def random_ids(config: ModelConfig, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, config.vocab_size, (2, config.block_size), generator=generator)


def oracle_of(model: GPT) -> GPT2LMHeadModel:
    raw = model_config_json(model.config)
    oracle = GPT2LMHeadModel(GPT2Config(**raw)).eval()
    ours = dict(model.named_parameters())
    state = {}
    for entry in file_layout(model.config):
        tensor = torch.zeros(entry.shape) if entry.absent else ours[entry.parameter].detach()
        state[entry.name] = tensor.t() if entry.transposed else tensor
    if model.config.tied:
        state["lm_head.weight"] = state["transformer.wte.weight"]
    oracle.load_state_dict(state)
    return oracle


@settings(max_examples=25, deadline=None)
@given(config=configs(), seed=st.integers(0, 1000))
def test_logits_equal_those_of_transformers(config: ModelConfig, seed: int) -> None:
    model = randomized(config, seed)
    ids = random_ids(config, seed)
    with torch.no_grad():
        torch.testing.assert_close(model(ids), oracle_of(model)(ids).logits, rtol=1e-5, atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(config=configs(), seed=st.integers(0, 1000))
def test_gradients_equal_those_of_transformers(config: ModelConfig, seed: int) -> None:
    model = randomized(config, seed).double()
    oracle = oracle_of(model).double()
    ids = random_ids(config, seed)
    targets = random_ids(config, seed + 1)
    next_token_loss(model(ids), targets).backward()
    next_token_loss(oracle(ids).logits, targets).backward()
    ours, theirs = dict(model.named_parameters()), dict(oracle.named_parameters())
    for entry in file_layout(config):
        if not entry.absent:
            expected = theirs[entry.name].grad
            expected = expected.t() if entry.transposed else expected
            torch.testing.assert_close(ours[entry.parameter].grad, expected, rtol=1e-5, atol=1e-6)


def test_batched_heads_equal_separate_heads_concatenated() -> None:
    attention = randomized(SMALL, 1).blocks[0].attention
    x = torch.randn(2, 7, SMALL.n_embd, generator=torch.Generator().manual_seed(2))
    weight, bias = attention.query_key_value.weight, attention.query_key_value.bias
    C, D = SMALL.n_embd, SMALL.head_size
    mask = torch.tril(torch.ones(7, 7)) == 0
    heads = []
    for head in range(SMALL.n_head):
        q, k, v = (
            x @ weight[part * C + head * D : part * C + (head + 1) * D].T
            + bias[part * C + head * D : part * C + (head + 1) * D]
            for part in range(3)
        )
        scores = (q @ k.transpose(1, 2) / math.sqrt(D)).masked_fill(mask, -math.inf)
        heads.append(scores.softmax(dim=-1) @ v)
    expected = attention.output(torch.cat(heads, dim=-1))
    torch.testing.assert_close(attention(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("position", range(1, 10))
def test_a_token_changes_no_logits_before_it(position: int) -> None:
    model = randomized(SMALL, 3)
    ids = torch.arange(10)[None] % SMALL.vocab_size
    changed = ids.clone()
    changed[0, position] = 16
    with torch.no_grad():
        before, after = model(ids), model(changed)
    torch.testing.assert_close(before[:, :position], after[:, :position], rtol=0, atol=1e-6)
    assert not torch.allclose(before[:, position], after[:, position])


def test_rows_of_a_batch_do_not_see_each_other() -> None:
    model = randomized(SMALL, 4)
    ids = random_ids(SMALL, 12)
    with torch.no_grad():
        whole = model(ids)
        alone = torch.cat([model(row[None]) for row in ids])
    torch.testing.assert_close(whole, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sizes", [[10], [1] * 10, [4, 1, 3, 2]])
def test_cached_logits_equal_uncached_ones(sizes: list[int]) -> None:
    model = randomized(SMALL, 5)
    ids = random_ids(SMALL, 13)
    cache = KeyValueCache(SMALL, 2, torch.device("cpu"), torch.float32)
    with torch.no_grad():
        pieces = torch.cat([model(part, cache) for part in ids.split(sizes, dim=1)], dim=1)
        torch.testing.assert_close(pieces, model(ids), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("preset", ["lecture", "gpt2"])
def test_untrained_loss_is_near_ln_of_the_vocabulary(preset: str) -> None:
    config = find_preset(preset).model
    small = ModelConfig(
        n_layer=2,
        n_head=2,
        n_embd=64,
        block_size=32,
        vocab_size=config.vocab_size,
        activation=config.activation,
        qkv_bias=config.qkv_bias,
        lm_head_bias=config.lm_head_bias,
        tied=config.tied,
    )
    generator = torch.Generator().manual_seed(6)
    ids = torch.randint(0, small.vocab_size, (8, 33), generator=generator)
    with torch.no_grad():
        loss = next_token_loss(new_model(small, 7).eval()(ids[:, :-1]), ids[:, 1:])
    assert float(loss) == pytest.approx(math.log(small.vocab_size), abs=0.05)


@pytest.mark.parametrize(("preset", "count"), [("lecture", 10_788_929), ("gpt2", 124_439_808)])
def test_presets_have_the_published_number_of_parameters(preset: str, count: int) -> None:
    model = empty_model(find_preset(preset).model, "meta")
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
