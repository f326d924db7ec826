"""What counted n-grams teach: distributions of other parts, and the loss that mixes them in."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.training.defaults import resolve
from gptcli.training.ngram_counts import NgramCounts
from gptcli.training.ngram_teacher import NgramTeacher, can_teach
from gptcli.training.schedule import teacher_share
from gptcli.training.setup import begin_training
from gptcli.training.step import batch_loss, distillation_loss
from tests.training.conftest import SIZES


def test_a_part_is_judged_by_the_counts_of_the_others(dataset) -> None:
    teacher = NgramTeacher(dataset.train, dataset.vocab_size)
    tokens = dataset.train.read(0, dataset.train.n_tokens)
    start, end = tokens.size * 2 // 5, tokens.size * 3 // 5
    others = NgramCounts([tokens[:start], tokens[end:]], dataset.vocab_size, 7)
    expected = others.distributions(tokens[start:end])
    windows = np.array([start - 1, start + 20])  # the first target of a window is one further
    found = teacher.distributions(windows, 8).float().numpy()
    assert found.shape == (2, 8, dataset.vocab_size)
    np.testing.assert_allclose(found[0], expected[:8], atol=1e-3)
    np.testing.assert_allclose(found[1], expected[21:29], atol=1e-3)


def test_what_a_model_with_a_teacher_minimises_is_the_cross_entropy_with_the_mixture(begin) -> None:
    training = begin("a", ngram_teacher=0.5)
    split, model = training.dataset.train, training.model
    starts = np.array([3, 100])
    tokens = torch.from_numpy(split.gather(starts, 17))
    assert training.teacher is not None
    expected = training.teacher.distributions(starts, 16)
    objective, loss = distillation_loss(model, tokens, (expected, torch.tensor(0.3)), "float32")
    mixture = 0.3 * expected.double() + 0.7 * F.one_hot(tokens[:, 1:], expected.shape[-1])
    logits = model(tokens[:, :-1]).double()
    torch.testing.assert_close(
        objective.double(),
        F.cross_entropy(logits.flatten(0, 1), mixture.flatten(0, 1)),
        atol=1e-5,
        rtol=0,
    )
    torch.testing.assert_close(loss, batch_loss(model, tokens, None, "float32"))


def test_a_step_follows_the_teacher(begin) -> None:
    plain, taught = begin("a"), begin("b", ngram_teacher=0.9)
    for training in (plain, taught):
        stepper = training.stepper()
        stepper.advance(0)
        training.losses = [figures.loss for figures in stepper.figures()]
    assert plain.losses == pytest.approx(taught.losses)  # the first loss is of the next tokens
    before, after = plain.model.lm_head.weight, taught.model.lm_head.weight
    assert not torch.equal(before, after)


def test_the_share_falls_with_the_schedule() -> None:
    config = TrainConfig(
        batch_size=1, max_iters=100, lr=1e-3, min_lr=0.0, warmup_iters=0, eval_interval=1,
        device="cpu", precision="float32", schedule="wsd", decay_fraction=0.5, ngram_teacher=0.6,
    )  # fmt: skip
    shares = [teacher_share(step, config) for step in (0, 50, 75, 100)]
    assert shares[:2] == [0.6, 0.6]
    assert shares[1] > shares[2] > shares[3] > 0


def test_a_text_that_cannot_teach_is_refused(begin, prepare_string, tmp_path) -> None:
    assert not can_teach(10**9, 65)
    assert not can_teach(10**6, 50_257)
    assert not can_teach(500, 65)
    assert can_teach(10**6, 65)
    short = prepare_string("a cat sat on a mat. " * 20, tmp_path / "data" / "short")
    values = {**SIZES, "ngram_teacher": 0.5}
    resolved = resolve(values, None, short.vocab_size, "cpu", "float32", 2)
    with pytest.raises(UsageError, match="ngram-teacher is for plain texts of 1,000"):
        begin_training(tmp_path / "runs" / "short", resolved, None, short)
    assert not list((tmp_path / "runs").glob("*"))


def test_a_vocabulary_that_is_larger_than_the_tokenizers_is_taught_too(dataset, tmp_path) -> None:
    values = {**SIZES, "ngram_teacher": 0.5}
    resolved = resolve(values, None, dataset.vocab_size + 7, "cpu", "float32", 2)
    stepper = begin_training(tmp_path / "run", resolved, None, dataset).stepper()
    stepper.advance(0)
    assert stepper.figures()[0].is_finite


def test_counting_again_gives_the_same(dataset) -> None:
    first, second = (NgramTeacher(dataset.train, dataset.vocab_size) for _ in range(2))
    starts = np.arange(0, 1000, 10)
    assert torch.equal(first.distributions(starts, 4), second.distributions(starts, 4))
