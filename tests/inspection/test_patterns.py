import pytest
import torch

from gptcli.inspection import vectors
from gptcli.inspection.capture import record
from gptcli.inspection.excerpt import Excerpt
from gptcli.inspection.heads import Head
from gptcli.inspection.patterns import head_patterns
from gptcli.inspection.stage_names import STAGES
from gptcli.inspection.stages import stage_values

IDS = [0, 3, 8, 1, 1, 7, 2, 4, 4, 5, 6]
HEADS = [Head(1, 1), Head(0, 0), Head(1, 0)]


@pytest.fixture(params=[1, 2**20])
def at_once(request, monkeypatch):
    monkeypatch.setattr(vectors, "_CELLS_AT_ONCE", request.param)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("shown", [None, Excerpt(2, 9)])
def test_heads_of_several_layers_are_given_in_order(loaded, at_once, stage, shown):
    recording = record(loaded.model, IDS)
    found = head_patterns(loaded.model, recording, HEADS, stage, shown)
    assert list(found) == HEADS
    for head, pattern in found.items():
        whole = stage_values(loaded.model, recording, head.layer, stage)[head.index]
        part = slice(None) if shown is None else slice(2, 9)
        torch.testing.assert_close(pattern, whole[part, part], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("stage", STAGES)
def test_a_pooled_cell_is_the_share_of_its_keys_or_the_mean_of_its_scores(loaded, at_once, stage):
    recording, shown = record(loaded.model, IDS), Excerpt(1, 11, cell=4)
    for head, pattern in head_patterns(loaded.model, recording, HEADS, stage, shown).items():
        whole = stage_values(loaded.model, recording, head.layer, stage)[head.index, 1:11, 1:11]
        assert pattern.shape == (3, 3)
        for row in range(3):
            for column in range(3):
                cell = whole[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
                if stage in ("softmax", "value", "rollout"):
                    expected = float(cell.sum() / cell.shape[0])
                else:
                    seen = cell[cell.isfinite()]
                    expected = float(seen.mean()) if seen.numel() else -torch.inf
                largest = max(1.0, float(cell.nan_to_num(neginf=0.0).abs().max()))
                close = pytest.approx(expected, rel=1e-5, abs=1e-6 * largest)
                assert float(pattern[row, column]) == close


def test_rows_of_a_pooled_pattern_of_the_whole_text_sum_to_one(loaded):
    recording = record(loaded.model, IDS)
    for pattern in head_patterns(
        loaded.model, recording, HEADS, shown=Excerpt(0, 11).pooled(5)
    ).values():
        assert pattern.shape == (4, 4)
        torch.testing.assert_close(pattern.sum(dim=1), torch.ones(4))
