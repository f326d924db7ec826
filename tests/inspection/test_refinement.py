"""How a vector is refined, against transformers' hidden states and float64 sums."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.model import ModelConfig
from gptcli.families.registry import model_type_of
from gptcli.generation.loaded_model import load_model
from gptcli.inspection.capture import record
from gptcli.inspection.refinement import refine, through_final_norm
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer

IDS, PLACE = [0, 3, 8, 1, 1, 7, 2], 4
ROTARY = {"positions": "rotary", "norm": "rms", "bias": False, "gated": True, "activation": "silu"}
FAMILIES = {
    "gpt2": {},
    "llama": {**ROTARY, "n_kv_head": 2, "tied": False},
    "qwen3": {**ROTARY, "n_kv_head": 2, "head_dim": 8, "qk_norm": True, "norm_epsilon": 1e-6},
    "nanochat": {
        **ROTARY, "norm": "plain_rms", "gated": False, "activation": "relu_squared",
        "rope_reversed": True, "qk_norm": True, "embedding_norm": True, "logit_cap": 15.0,
        "tied": False, "norm_epsilon": 1e-6, "n_kv_head": 2,
    },
}  # fmt: skip
FIRST_RUNG = {
    "projections": False, "residual": False, "n_inner": 0, "norm": "none", "qkv_bias": False,
    "lm_head_bias": True, "tied": False,
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_the_vector_behind_every_layer_is_that_of_transformers(tmp_path, family):
    config = ModelConfig(2, 4, 32, block_size=12, vocab_size=9, **FAMILIES[family])
    assert model_type_of(config) == family
    weights = {name: 5 * one for name, one in new_model(config, seed=1).state_dict().items()}
    write_description(tmp_path, config, character_tokenizer("abcdefg \n"))
    save_weights(tmp_path / "model.safetensors", weights, config)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    with torch.no_grad():
        hidden = theirs(torch.tensor([IDS]), output_hidden_states=True).hidden_states
    model = load_model(tmp_path, "cpu").model
    refinement = refine(model, record(model, IDS), PLACE)
    found = {one.step: one.vector for one in refinement.steps}
    assert list(found) == [
        "token", "with position", "L0 attention", "L0 MLP", "L1 attention", "L1 MLP"
    ]  # fmt: skip
    torch.testing.assert_close(found["token"], model.token_embedding.weight[IDS[PLACE]].detach())
    torch.testing.assert_close(found["with position"], hidden[0][0, PLACE], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found["L0 MLP"], hidden[1][0, PLACE], atol=5e-5, rtol=1e-5)
    with torch.inference_mode():
        last = model.final_norm(refinement.final)
    torch.testing.assert_close(last, hidden[2][0, PLACE], atol=5e-5, rtol=1e-5)


@pytest.mark.parametrize("family", [*FAMILIES, "first rung"])
def test_what_the_parts_raise_adds_up_to_the_logits(randomized, family):
    """Token, position, heads, biases and MLPs, each read alone, and summed in float64."""
    changes = FAMILIES.get(family, FIRST_RUNG)
    config = ModelConfig(2, 4, 32, block_size=12, vocab_size=9, **changes)
    model = randomized(config, 2)
    recording = record(model, IDS)
    refinement = refine(model, recording, PLACE)
    vectors = {one.step: one.vector for one in refinement.steps}
    parts = [vectors["with position"]]
    for number, block in enumerate(model.blocks):
        bias = getattr(block.attention.output, "bias", None)
        parts += [one.vector for one in refinement.updates if one.head.layer == number]
        parts += [] if bias is None else [bias.detach()]
        if config.inner_size:
            parts.append(vectors[f"L{number} MLP"] - vectors[f"L{number} attention"])
    if not config.residual:
        parts = [one.vector for one in refinement.updates if one.head.layer == 1]
    read = through_final_norm(model, torch.stack(parts), refinement.final).double().sum(dim=0)
    head, norm_bias = copy.deepcopy(model.lm_head).double(), getattr(model.final_norm, "bias", None)
    with torch.inference_mode():
        logits = head(read if norm_bias is None else read + norm_bias.double())
    if config.logit_cap:
        logits = config.logit_cap * torch.tanh(logits / config.logit_cap)
    torch.testing.assert_close(logits.float(), recording.logits[PLACE], atol=2e-4, rtol=1e-4)


def test_every_head_s_update_is_its_own_values_times_its_own_rows(randomized):
    config = ModelConfig(2, 4, 32, block_size=12, vocab_size=9, **FAMILIES["llama"])
    model = randomized(config, 2)
    refinement = refine(model, record(model, IDS), PLACE)
    double, found = copy.deepcopy(model).double(), []
    x, signal = double.embed(torch.tensor([IDS]), torch.arange(len(IDS)))
    with torch.no_grad():
        for block in double.blocks:
            received = block.attention_norm(x)
            query, key, value = (
                part[0].repeat_interleave(4 // part.shape[1], dim=0)
                for part in block.attention.project(received, signal)
            )
            scores = torch.einsum("hd,hjd->hj", query[:, PLACE], key) / 8**0.5
            weights = scores[:, : PLACE + 1].softmax(dim=-1)
            mixed = torch.einsum("hj,hjd->hd", weights, value[:, : PLACE + 1])
            matrix = block.attention.output.weight.unflatten(1, (4, 8))  # (C, H, D)
            found += list(torch.einsum("hd,chd->hc", mixed, matrix))
            x = block.compute(x, block.attention(received, signal))
    assert [str(one.head) for one in refinement.updates[:5]] == [
        "L0.H0", "L0.H1", "L0.H2", "L0.H3", "L1.H0"
    ]  # fmt: skip
    for ours, expected in zip(refinement.updates, found, strict=True):
        torch.testing.assert_close(ours.vector, expected.float(), atol=2e-5, rtol=1e-4)
