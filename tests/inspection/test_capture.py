from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.model import ModelConfig
from gptcli.families.registry import model_type_of
from gptcli.generation.loaded_model import LoadedModel, load_model
from gptcli.inspection.capture import Recording, attention_modules, record
from gptcli.inspection.explicit import Check, explicit_attention, worst
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer

IDS = [0, 3, 8, 1, 1, 7, 2]


def layers(loaded: LoadedModel, recording: Recording):
    pairs = zip(attention_modules(loaded.model), recording.layers, strict=True)
    return [explicit_attention(attention, layer) for attention, layer in pairs]


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


@pytest.mark.parametrize("family", FAMILIES)
def test_patterns_and_logits_are_those_of_transformers(tmp_path, family):
    config = ModelConfig(2, 4, 32, block_size=12, vocab_size=9, **FAMILIES[family])
    assert model_type_of(config) == family
    weights = {name: 5 * one for name, one in new_model(config, seed=1).state_dict().items()}
    write_description(tmp_path, config, character_tokenizer("abcdefg \n"))
    save_weights(tmp_path / "model.safetensors", weights, config)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    with torch.no_grad():
        expected = theirs(torch.tensor([IDS]), output_attentions=True)
    loaded = load_model(tmp_path, "cpu")
    recording = record(loaded.model, IDS)
    torch.testing.assert_close(recording.logits, expected.logits[0], atol=5e-5, rtol=1e-5)
    for ours, pattern in zip(layers(loaded, recording), expected.attentions, strict=True):
        torch.testing.assert_close(ours.pattern, pattern[0], atol=1e-5, rtol=0)
        assert ours.pattern.std() > 0.1


def test_explicit_attention_passes_its_own_check(loaded):
    for layer in layers(loaded, record(loaded.model, IDS)):
        assert layer.check.future_mass_max == 0.0
        assert layer.check.row_sum_max_error < 1e-6
        assert layer.check.fused_max_error < 1e-6


def test_the_check_notices_when_the_model_wrote_something_else(loaded):
    layer = record(loaded.model, IDS).layers[0]
    wrong = replace(layer, written=layer.written + torch.eye(*layer.written.shape) / 4)
    check = explicit_attention(attention_modules(loaded.model)[0], wrong).check
    assert check.fused_max_error == pytest.approx(0.25, abs=1e-5)


def test_scores_softmaxed_over_the_past_are_the_pattern(loaded):
    layer = layers(loaded, record(loaded.model, IDS))[1]
    for row in range(len(IDS)):
        expected = layer.scores[:, row, : row + 1].softmax(-1)
        torch.testing.assert_close(layer.pattern[:, row, : row + 1], expected)


def test_the_whole_context_has_no_weight_on_the_future(loaded):
    for layer in layers(loaded, record(loaded.model, [4] * loaded.model.config.block_size)):
        assert torch.count_nonzero(layer.pattern.triu(1)) == 0


def test_a_model_in_training_is_recorded_without_dropout_and_left_in_training():
    config = ModelConfig(2, 2, 16, 12, 9, dropout=0.5)
    model = new_model(config, seed=0).train()
    first, second = record(model, IDS), record(model, IDS)
    assert torch.equal(first.logits, second.logits)
    assert model.training
    assert not any(module._forward_hooks for module in attention_modules(model))


def test_worst_takes_each_figure_apart():
    assert worst([Check(1.0, 0.0, 2.0), Check(0.5, 0.1, 3.0)]) == Check(1.0, 0.1, 3.0)
