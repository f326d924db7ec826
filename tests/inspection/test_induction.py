"""Scores of copying, against heads whose weights are set by hand to do just that."""

import math

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.data.text_tokens import TextTokens
from gptcli.evaluation.target_windows import StridedWindows
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.ablation import ablate
from gptcli.inspection.capture import record
from gptcli.inspection.heads import Head, every_head
from gptcli.inspection.induction import RepeatedTokens, copied_weight, repeated_tokens, score_heads
from gptcli.inspection.measures import Measured
from gptcli.model.gpt import GPT
from gptcli.model.initialization import empty_model
from gptcli.tokenization.trainer import character_tokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
V, P = len(LETTERS), 64
D = V + P  # of a head: a number for each letter, and one for each place
CIRCUIT = ModelConfig(
    2, 2, 2 * V + P, P, V, head_dim=D, n_inner=0, norm="none", bias=False, tied=False
)  # fmt: skip
LETTER, PLACE, BEFORE = slice(0, V), slice(V, V + P), slice(V + P, 2 * V + P)
SHARP = 30 * math.sqrt(D)


@pytest.fixture
def circuit() -> GPT:
    """An induction circuit (Elhage et al. 2021), with a duplicate-token head beside it.

    The stream holds the letter, its place, and what L0.H0 writes: the letter before. L1.H0 looks
    for the place whose letter before is the present letter, and predicts the letter there. (The
    first place has no letter before, and takes its own.)
    """
    model = empty_model(CIRCUIT).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.token_embedding.weight[:, LETTER] = torch.eye(V)
        model.position_embedding.weight[:, PLACE] = torch.eye(P)
        previous, same = weights(model, 0, 0), weights(model, 0, 1)
        previous["query"][PLACE, PLACE] = SHARP * torch.eye(P)
        previous["key"][PLACE, PLACE] = torch.eye(P).roll(1, dims=0)  # place p lights up p + 1
        previous["value"][LETTER, LETTER] = previous["output"][BEFORE, LETTER] = torch.eye(V)
        same["query"][:, : V + P] = SHARP * torch.eye(D)
        same["key"][LETTER, LETTER] = torch.eye(V)
        same["key"][PLACE, PLACE] = -2 * torch.eye(P)  # but not at itself
        induction = weights(model, 1, 0)
        induction["query"][LETTER, LETTER] = SHARP * torch.eye(V)
        induction["key"][LETTER, BEFORE] = torch.eye(V)
        induction["value"][LETTER, LETTER] = torch.eye(V)
        induction["output"][LETTER, LETTER] = 2 * torch.eye(V)
        model.lm_head.weight[:, LETTER] = 20 * torch.eye(V)
    return model


def weights(model: GPT, layer: int, head: int) -> dict[str, torch.Tensor]:
    """The matrices of one head, as views: (D, C) each, and its part of the output, (C, D)."""
    attention = model.blocks[layer].attention
    parts = attention.query_key_value.weight.split(attention.widths)
    own = slice(head * D, (head + 1) * D)
    found = {name: part[own] for name, part in zip(("query", "key", "value"), parts, strict=True)}
    return {**found, "output": attention.output.weight[:, own]}


@pytest.fixture
def copier(circuit, tmp_path) -> LoadedModel:
    return LoadedModel(tmp_path, circuit, character_tokenizer(LETTERS), "cpu")


def test_the_heads_of_a_hand_made_circuit_are_found(copier):
    scores = score_heads(copier).values()
    assert {one.rows for head in scores for one in head.values()} == {V}
    induction = [head["induction"].value for head in scores]
    duplicate = [head["duplicate_token"].value for head in scores]
    assert induction == pytest.approx([0, 0, 1, 0], abs=0.05)
    assert duplicate == pytest.approx([0, 1, 0, 0], abs=0.05)


def test_without_its_circuit_the_second_copy_is_not_predicted(copier):
    tokens = repeated_tokens(copier.tokenizer, CIRCUIT)
    assert tokens is not None
    predicted = record(copier.model, tokens.ids).logits.argmax(-1)[V + 1 : -1]
    assert predicted.tolist() == list(tokens.ids[V + 2 :])
    text = TextTokens(torch.tensor(tokens.ids).numpy(), 2 * V, 2 * V)
    batches = list(StridedWindows(P, P, text.n_tokens).batches(text, P))
    effects = ablate(copier.model, batches, every_head(CIRCUIT)).effects
    changes = {effect.head: effect.change.mean for effect in effects}
    assert changes[Head(0, 0)] > 1 and changes[Head(1, 0)] > 1
    assert changes[Head(0, 1)] == changes[Head(1, 1)] == pytest.approx(0, abs=1e-6)


def test_scores_are_the_weights_that_they_are_named_after():
    pattern = torch.rand(3, 11, 11, dtype=torch.float64)
    tokens = RepeatedTokens(tuple(range(11)), n_before=1, n_random=5)
    for ahead in (0, 1):
        places = range(6, 11)
        expected = [sum(head[i][i - 5 + ahead] for i in places) / 5 for head in pattern.tolist()]
        assert copied_weight(pattern[:, 6:], tokens, ahead).tolist() == pytest.approx(expected)


def test_random_tokens_are_different_texts_that_fit(loaded):
    config = loaded.model.config
    tokens = repeated_tokens(loaded.tokenizer, config)
    assert tokens == repeated_tokens(loaded.tokenizer, config)
    first, second = tokens.ids[: tokens.n_random], tokens.ids[tokens.n_random :]
    assert first == second and len(set(first)) == len(first) == config.block_size // 2
    assert max(tokens.ids) < config.vocab_size


def test_a_context_for_less_than_two_tokens_has_no_scores(loaded):
    config = ModelConfig(1, 2, 16, block_size=3, vocab_size=9)
    small = LoadedModel(loaded.directory, empty_model(config), loaded.tokenizer, "cpu")
    unknown = {"induction": Measured(None, 0), "duplicate_token": Measured(None, 0)}
    assert score_heads(small) == {Head(0, 0): unknown, Head(0, 1): unknown}
