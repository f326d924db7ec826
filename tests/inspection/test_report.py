from dataclasses import replace

import pytest
import torch

from gptcli.errors import CheckpointError, UsageError
from gptcli.inspection.capture import record
from gptcli.inspection.heads import Head, parse_heads
from gptcli.inspection.measures import Measured
from gptcli.inspection.report import (
    HeadReport,
    most_interesting,
    ranked,
    report_attention,
)

IDS = [0, 3, 8, 1, 1, 7, 2]


@pytest.fixture
def recording(loaded):
    return record(loaded.model, IDS)


@pytest.fixture
def report(loaded, recording):
    return report_attention(loaded, recording)


def test_each_row_is_labelled_with_what_it_predicts(loaded, recording, report):
    probabilities = recording.logits.double().softmax(-1)
    for row, token in enumerate(report.tokens):
        assert token.text == loaded.tokenizer.piece(IDS[row])
        assert token.predicts.top.id == int(probabilities[row].argmax())
        assert token.predicts.top.p == pytest.approx(float(probabilities[row].max()), abs=1e-6)
    for row, token in enumerate(report.tokens[:-1]):
        assert token.predicts.actual.id == IDS[row + 1]
        expected = float(probabilities[row, IDS[row + 1]])
        assert token.predicts.actual.p == pytest.approx(expected, abs=1e-6)
    assert report.tokens[-1].predicts.actual is None


def test_the_most_interesting_head_is_focused_and_no_sink():
    def head(index: int, spread: float | None, sink: float | None) -> HeadReport:
        metrics = {"relative_entropy": Measured(spread, 3), "first_token": Measured(sink, 3)}
        return HeadReport(Head(0, index), metrics, ())

    chosen = most_interesting([head(0, 0.0, 1.0), head(1, 0.2, 0.1), head(2, 1.0, 0.0)])
    assert chosen.head.index == 1
    assert most_interesting([head(0, None, None), head(1, None, None)]).head.index == 0


def test_ranking_puts_the_most_marked_first(report):
    by_entropy = [head.metrics["entropy"].value for head in ranked(report.heads, "entropy")]
    by_self = [head.metrics["self"].value for head in ranked(report.heads, "self")]
    assert by_entropy == sorted(by_entropy)
    assert by_self == sorted(by_self, reverse=True)


def test_weights_that_give_no_finite_output_are_refused(loaded, recording):
    broken = replace(recording, logits=recording.logits * torch.nan)
    with pytest.raises(CheckpointError, match="not finite"):
        report_attention(loaded, broken)


def test_heads_are_parsed_once_each_in_order(loaded):
    assert parse_heads("l1.h0, L0.H1,L1.H0", loaded.model.config) == (Head(1, 0), Head(0, 1))


@pytest.mark.parametrize("names", ["L2.H0", "L0.H2", "L0", "", "L0.H1,", "L-1.H0", "L\u0660.H0"])
def test_a_head_that_is_not_there_names_the_range(loaded, names):
    with pytest.raises(UsageError, match=r"L0\.H0 to L1\.H1"):
        parse_heads(names, loaded.model.config)
