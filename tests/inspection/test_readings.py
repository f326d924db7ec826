from dataclasses import replace

import pytest
import torch

from gptcli.errors import CheckpointError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.capture import record
from gptcli.inspection.heads import Head
from gptcli.inspection.patterns import head_patterns
from gptcli.inspection.readings import Reading, check_comparable, compare
from gptcli.inspection.report import report_attention
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer

IDS = [0, 3, 8, 1, 1, 7, 2]
HEADS = [Head(layer, index) for layer in range(2) for index in range(2)]


def reading(loaded: LoadedModel, ids: list[int] = IDS) -> Reading:
    recording = record(loaded.model, ids)
    return Reading("it", loaded, recording, report_attention(loaded, recording))


@pytest.fixture
def other(loaded):
    """The same model before its weights were made larger."""
    return replace(loaded, model=new_model(loaded.model.config, seed=1).eval())


def test_what_moved_is_the_mean_total_variation_distance_of_the_rows(loaded, other):
    comparison = compare([reading(loaded), reading(other), reading(loaded)])
    pairs = [head_patterns(one.model, record(one.model, IDS), HEADS) for one in (loaded, other)]
    for change in comparison.heads:
        old, new = (patterns[change.head].double() for patterns in pairs)
        rows = torch.einsum("qk->q", (old - new).abs())[1:] / 2
        assert change.moved[0] == pytest.approx(float(rows.mean()), abs=1e-6)
        assert change.moved[1] == 0
        entropies = [metrics["entropy"].value for metrics in change.metrics]
        assert change.change("entropy", 1) == entropies[1] - entropies[0]
    moved = [max(change.moved) for change in comparison.most_changed("entropy")]
    assert moved == sorted(moved, reverse=True)
    assert moved[0] > moved[-1]


def test_differences_are_those_of_the_patterns_with_the_first(loaded, other):
    comparison = compare([reading(loaded), reading(other)])
    (found,) = comparison.differences([Head(1, 0)])
    first, second = (
        head_patterns(one.model, record(one.model, IDS), [Head(1, 0)])[Head(1, 0)]
        for one in (loaded, other)
    )
    torch.testing.assert_close(found.difference, second - first)
    largest = found.largest(3)
    changes = sorted(abs(second - first).flatten().tolist(), reverse=True)
    assert [abs(link.weight - link.before) for link in largest] == pytest.approx(changes[:3])
    assert largest[0].before == float(first[largest[0].query, largest[0].key])
    (same,) = compare([reading(loaded), reading(loaded)]).differences([Head(1, 0)])
    assert same.largest(3) == []


def test_other_tokens_are_compared_by_their_metrics(loaded):
    comparison = compare([reading(loaded), reading(loaded, [1, 2, 3])])
    assert {change.moved for change in comparison.heads} == {(None,)}
    assert comparison.differences(HEADS) == []
    ranked = comparison.most_changed("self")
    sizes = [abs(change.change("self", 1)) for change in ranked]
    assert sizes == sorted(sizes, reverse=True)


def test_one_token_can_be_compared(loaded, other):
    comparison = compare([reading(loaded, [1]), reading(other, [1])])
    assert {change.moved for change in comparison.heads} == {(None,)}
    assert comparison.heads[0].change("entropy", 1) is None


def test_what_cannot_be_compared_names_both(loaded, other):
    check_comparable(loaded, other)
    config = replace(loaded.model.config, n_layer=1)
    shallow = replace(loaded, directory=loaded.directory / "b", model=new_model(config, seed=1))
    with pytest.raises(CheckpointError, match=r"b cannot .* 2 layers of 2 heads and 1 layers? of"):
        check_comparable(loaded, shallow)
    foreign = replace(loaded, tokenizer=character_tokenizer("abc"))
    with pytest.raises(CheckpointError, match="their tokenizers are"):
        check_comparable(loaded, foreign)
