"""``eval`` on pairs against transformers: which of two answers a model prefers."""

import json

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM, LlamaForSequenceClassification

from gptcli.data.dataset import Dataset

PAIRS = [
    ("a+b=", "ab!", "b!"),
    ("bb=", "b!", "b!"),
    ("a=", "aba!", "bababa!"),
    ("b+", "=!", "a!"),
    ("abab=", "a!", "ba!"),
    ("abababababab", "a!", "ababab!"),  # longer than the context
]


@pytest.fixture
def dataset(cli, masked_dataset) -> Dataset:
    return masked_dataset(PAIRS, PAIRS, name="pairs")


def evaluated(cli, *flags: object) -> dict:
    done = cli("eval", "model", "--data", "data/pairs", "--json", *flags)
    assert done.code == 0, done.stderr
    assert "1 of 6 pairs are longer than the context: left out" in done.stderr
    return json.loads(done.stdout)


def ids_of(dataset: Dataset, text: str) -> list[int]:
    return dataset.tokenizer.encode(text).tolist()


def half_ties(chosen: np.ndarray, rejected: np.ndarray) -> float:
    return float(np.where(chosen == rejected, 0.5, chosen > rejected).mean())


@torch.inference_mode()
def test_a_reward_model_is_measured_by_its_scores(
    cli, dataset, tmp_path, transformers_model
) -> None:
    kind = LlamaForSequenceClassification
    theirs = kind.from_pretrained(transformers_model(kind, dataset.tokenizer, tmp_path / "model"))
    scores = np.array(
        [
            [float(theirs(torch.tensor([ids_of(dataset, prompt + one)])).logits) for one in answers]
            for prompt, *answers in PAIRS[:5]
        ]
    )
    found = evaluated(cli)
    margins = scores[:, 0] - scores[:, 1]
    assert found["accuracy"] == pytest.approx(half_ties(*scores.T))
    assert found["margin"] == pytest.approx(margins.mean(), abs=1e-5)
    assert found["loss"] == pytest.approx(np.log1p(np.exp(-margins)).mean(), abs=1e-5)
    assert (found["pairs"], found["left_out"]) == (5, 1)
    table = cli("eval", "model", "--data", "data/pairs").stdout
    assert f"{found['accuracy']:.2%} of the chosen answers win" in table


@torch.inference_mode()
def test_a_language_model_is_measured_by_what_it_finds_likelier(
    cli, dataset, tmp_path, transformers_model
) -> None:
    directory = transformers_model(LlamaForCausalLM, dataset.tokenizer, tmp_path / "model")
    theirs = LlamaForCausalLM.from_pretrained(directory)

    def log_probabilities(prompt: str, answer: str) -> np.ndarray:
        ids = torch.tensor(ids_of(dataset, prompt + answer))
        table = theirs(ids[None]).logits[0].log_softmax(-1)
        places = range(len(ids_of(dataset, prompt)), len(ids))
        return np.array([float(table[place - 1, ids[place]]) for place in places])

    each = [[log_probabilities(prompt, one) for one in answers] for prompt, *answers in PAIRS[:5]]
    sums, means = ([[how(one) for one in pair] for pair in each] for how in (np.sum, np.mean))
    found = evaluated(cli)
    assert found["preferred"]["by_sum"] == half_ties(*np.array(sums).T)
    assert found["preferred"]["by_mean"] == half_ties(*np.array(means).T)
    assert found["preferred"]["pairs"] == 5
    assert found["tokens"] == sum(len(chosen) for _, chosen, _ in PAIRS)
    table = cli("eval", "model", "--data", "data/pairs").stdout
    assert "chosen answers are the likelier one as a whole" in table


def test_a_reward_model_scores_pairs_and_nothing_else(
    cli, dataset, masked_dataset, tmp_path, transformers_model
) -> None:
    transformers_model(LlamaForSequenceClassification, dataset.tokenizer, tmp_path / "model")
    masked_dataset([(one[0], one[1]) for one in PAIRS], PAIRS[:0], name="questions")
    done = cli("eval", "model", "--data", "data/questions", "--split", "train")
    assert done.code == 2
    assert "gptcli prepare preferences" in done.stderr
    for flags in (("--by", "position"), ("--per-token",), ("--compare", "model")):
        done = cli("eval", "model", "--data", "data/pairs", *flags)
        assert done.code == 2
        assert f"leave {flags[0]} out" in done.stderr
    done = cli("eval", "model", "--data", "data/pairs", "--reward", "exact")
    assert done.code == 2
    assert "does not write" in done.stderr
