"""The figures against a plain loop over transformers' GPT-2."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gptcli.config.model import ModelConfig
from gptcli.data.text_tokens import TextTokens
from gptcli.evaluation.evaluation_pass import EvaluationPass
from gptcli.evaluation.loss import evaluate
from gptcli.evaluation.target_windows import StridedWindows

CONTEXT, VOCABULARY = 32, 64


@pytest.mark.parametrize("stride", [CONTEXT, 12])
def test_loss_and_accuracy_agree_with_transformers(tmp_path, stride) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=CONTEXT, n_embd=32, n_layer=2, n_head=4,
        initializer_range=0.5, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    theirs = transformers.GPT2LMHeadModel(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = loaded(tmp_path)
    assert ours.config == ModelConfig(2, 4, 32, CONTEXT, VOCABULARY, dropout=0.1)
    ids = np.random.default_rng(0).integers(0, VOCABULARY, 1000).astype(np.uint32)
    windows = StridedWindows(CONTEXT, stride, len(ids))
    result = evaluate(EvaluationPass(ours, TextTokens(ids, 0, 0), "cpu", windows))
    total, correct, done = 0.0, 0, 0
    tokens = torch.from_numpy(ids.astype(np.int64))
    for begin in range(0, len(tokens) - 1, stride):
        end = min(begin + CONTEXT, len(tokens) - 1)
        with torch.no_grad():
            logits = theirs(tokens[None, begin:end]).logits[0, done - begin :]
        targets = tokens[done + 1 : end + 1]
        total += float(F.cross_entropy(logits, targets, reduction="sum"))
        correct += int((logits.argmax(-1) == targets).sum())
        done = end
        if end == len(tokens) - 1:
            break
    assert result.n_targets == done == len(tokens) - 1
    assert result.loss == pytest.approx(total / done, abs=1e-4)
    assert result.perplexity == pytest.approx(math.exp(total / done), rel=1e-4)
    assert result.n_correct == correct


def loaded(directory):
    """The model of a directory that holds no tokenizer."""
    from gptcli.checkpoint.config_json import read_model_config
    from gptcli.checkpoint.tensors import load_weights
    from gptcli.model.initialization import model_with

    config = read_model_config(directory)
    return model_with(config, load_weights(directory, config)).eval()
