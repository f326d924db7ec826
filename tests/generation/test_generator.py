"""Samples of a loaded model: none depends on another, whatever the family and the precision."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.config.sampling import SamplingConfig
from gptcli.families.registry import FAMILIES, TRAINABLE
from gptcli.generation.generator import TextGenerator
from gptcli.generation.loaded_model import LoadedModel
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer

LETTERS = "abcdefghij"


def loaded_model(family: str = "gpt2", vocab_size: int = 10, **fields: object) -> LoadedModel:
    config = ModelConfig(
        n_layer=2,
        n_head=2,
        n_embd=16,
        block_size=12,
        vocab_size=vocab_size,
        **FAMILIES[family].switches,
    )
    model = new_model(config, 1).eval()
    with torch.no_grad():  # larger weights, so that the context matters
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    loaded = LoadedModel(Path("model"), model, character_tokenizer(LETTERS), "cpu")
    return replace(loaded, **fields)


def finished(loaded: LoadedModel, **options: object) -> TextGenerator:
    generator = TextGenerator(loaded, [0, 1], SamplingConfig(max_new_tokens=40, **options))
    assert sum(1 for _ in generator.steps()) <= 40
    return generator


def test_a_sample_is_the_same_beside_others_that_end_sooner() -> None:
    loaded = loaded_model(end_ids=frozenset({3}))
    many = finished(loaded, num_samples=12, stop=("a", "b"), temperature=2.0)
    few = finished(loaded, num_samples=2, stop=("a", "b"), temperature=2.0)
    assert [one.ids for one in few.samples] == [one.ids for one in many.samples[:2]]
    assert len({one.finish for one in many.samples}) > 1
    assert many.n_tokens == sum(len(one.ids) for one in many.samples)


def test_the_work_ends_with_the_last_sample() -> None:
    loaded = loaded_model(end_ids=frozenset(range(10)))
    generator = TextGenerator(loaded, [0], SamplingConfig(num_samples=3))
    assert sum(1 for _ in generator.steps()) == 1
    assert {one.finish for one in generator.samples} == {"end_of_text"}


def test_every_token_has_its_logprobs_and_none_else() -> None:
    generator = finished(loaded_model(end_ids=frozenset({3})), num_samples=4, logprobs=2)
    for sample, seen in zip(generator.samples, generator.logprobs, strict=True):
        assert [one.drawn.id for one in seen] == sample.ids


def test_the_pieces_are_the_text() -> None:
    loaded = loaded_model()
    config = SamplingConfig(max_new_tokens=40)
    assert (
        "".join(TextGenerator(loaded, [0, 1], config).pieces()) == finished(loaded).samples[0].text
    )


def test_ids_that_the_tokenizer_lacks_are_never_drawn() -> None:
    generator = finished(loaded_model(vocab_size=200), num_samples=5, logprobs=10)
    assert all(number < 10 for sample in generator.samples for number in sample.ids)
    for seen in generator.logprobs[0]:
        assert sum(2.718281828459045**one.p for one in seen.top) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("family", TRAINABLE)
def test_bfloat16_rounds_and_no_more(family: str) -> None:
    options = {"max_new_tokens": 1, "logprobs": 10}
    values = []
    for precision in ("float32", "bfloat16"):
        loaded = loaded_model(family).computing_in(precision)
        generator = TextGenerator(loaded, [0, 1, 2, 3], SamplingConfig(**options))
        (step,) = generator.steps()
        assert step.probabilities.dtype == torch.float32
        values.append(step.logits.float())
    assert not torch.equal(*values)
    spread = float(values[0].std())
    torch.testing.assert_close(values[1], values[0], atol=0.1 * spread, rtol=0.1)
