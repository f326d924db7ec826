"""The sample of a run under way: the training does not notice."""

from pathlib import Path

import torch

from gptcli.data.dataset import Dataset
from gptcli.runtime.signals import StopRequest
from gptcli.training.defaults import resolve
from gptcli.training.loop import run_training
from gptcli.training.reporter import EvaluationReport, Reporter
from gptcli.training.setup import begin_training
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


def test_a_model_of_chats_answers_a_question_that_is_held_out(cli) -> None:
    assert cli("prepare", "instructions", "--count", 120).code == 0
    dataset = Dataset.open(Path("data/instructions"))
    values = {"n_layer": 1, "n_head": 1, "n_embd": 8, "max_iters": 1}
    resolved = resolve(values, None, dataset.vocab_size, "cpu", "float32", 1)
    text = short_sample(
        begin_training(Path("runs/chat"), resolved, None, dataset), 60.0, StopRequest()
    )
    question, _, answer = text.partition("<|end|><|assistant|>")
    assert question.startswith(("<|user|>", "<|system|>"))
    assert question in dataset.tokenizer.decode(dataset.val.read(0, 200))
    assert answer
