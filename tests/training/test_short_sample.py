"""The sample of a run under way: the training does not notice."""

import torch

from gptcli.runtime.signals import StopRequest
from gptcli.training.loop import run_training
from gptcli.training.reporter import EvaluationReport, Reporter
from gptcli.training.short_sample import short_sample


class Sampling(Reporter):
    def __init__(self, training) -> None:
        self.training, self.texts = training, []

    def evaluated(self, report: EvaluationReport) -> None:
        self.texts.append(short_sample(self.training, 60.0, StopRequest()))


def test_a_run_with_samples_ends_like_one_without(begin) -> None:
    plain, watched = (begin(name, max_iters=12, eval_interval=6, dropout=0.2) for name in "ab")
    sampling = Sampling(watched)
    run_training(plain, Reporter(), StopRequest())
    run_training(watched, sampling, StopRequest())
    for one, other in zip(plain.model.parameters(), watched.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert [len(text) for text in sampling.texts] == [100, 100, 100]  # a character a token
    assert watched.model.training


def test_without_time_there_is_no_sample(begin) -> None:
    assert short_sample(begin("a"), 0.0, StopRequest()) == ""
