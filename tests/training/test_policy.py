"""Learning from one's own answers: where it leads, what an iteration does, and what it may not."""

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from gptcli.checkpoint.resume import Progress
from gptcli.config.model import ModelConfig
from gptcli.config.objective import GroupPolicy, PolicyConfig, ProximalPolicy
from gptcli.config.training import TrainConfig
from gptcli.data.answer_rows import AnswerRows
from gptcli.data.dataset import Dataset
from gptcli.data.questions import QuestionBatch
from gptcli.errors import CheckpointError, DivergedError
from gptcli.evaluation.answering import Answers
from gptcli.evaluation.rewards import exact_reward
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from gptcli.runtime.directories import NewDirectory
from gptcli.training import at_once
from gptcli.training import group_policy as grpo
from gptcli.training import proximal_policy as ppo
from gptcli.training.group_policy import GroupPolicyTraining
from gptcli.training.learner import Learner
from gptcli.training.optimizers import make_optimizers, optimizer_tensors, restore_optimizers
from gptcli.training.policy import PolicyTraining
from gptcli.training.protocol import StopAsked
from gptcli.training.proximal_policy import ProximalPolicyTraining, explained_variance
from gptcli.training.rollouts import micro_batches
from gptcli.training.training_run import TrainingRun

ARMS = torch.tensor([0.0, 1.0, 0.3, 0.7, 0.5])
Judge = Callable[[QuestionBatch, Answers], NDArray[np.float64]]


def arm_reward(asked: QuestionBatch, answers: Answers) -> NDArray[np.float64]:
    """What the first token of each answer is worth."""
    return np.array([ARMS[answer[0]].item() for answer in answers.ids])


def length_reward(asked: QuestionBatch, answers: Answers) -> NDArray[np.float64]:
    """A reward that differs between most answers."""
    return np.array(
        [
            math.sin(sum(answer) + len(prompt))
            for prompt, answer in zip(asked.prompts, answers.ids, strict=True)
        ]
    )


def begun(
    dataset: Dataset,
    objective: PolicyConfig,
    reward: Judge,
    tmp_path: Path,
    spread: float = 0.2,
    model: ModelConfig | None = None,
    **values: object,
) -> TrainingRun:
    """A run that has begun, of a model whose weights are larger than usual."""
    config = TrainConfig(
        **{
            "batch_size": 8, "grad_accum": 2, "max_iters": 10, "lr": 1e-3, "min_lr": 1e-3,
            "warmup_iters": 0, "eval_interval": 5, "device": "cpu", "precision": "float32",
            "threads": 1, "weight_decay": 0.0, "schedule": "constant", **values,
        }
    )  # fmt: skip
    shape = model or ModelConfig(2, 2, 16, 32, dataset.vocab_size)
    gpt = new_model(shape, 1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in gpt.parameters():
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator))
    place = NewDirectory(tmp_path / "run", tmp_path / "unwritten")
    optimizers = make_optimizers(gpt, config)
    training = TrainingRun(place, config, dataset, gpt, optimizers, Progress())
    training.objective = objective
    training.reference = copy.deepcopy(gpt)
    training.reward = reward
    return training


def learner(training: TrainingRun, check_stop: Callable[[], None] = lambda: None) -> PolicyTraining:
    if isinstance(training.objective, GroupPolicy):
        return GroupPolicyTraining(training, training.objective, check_stop)
    assert isinstance(training.objective, ProximalPolicy)
    return ProximalPolicyTraining(training, training.objective, check_stop)


def arm_probabilities(model: GPT, dataset: Dataset) -> Tensor:
    """The policy of the one state that there is: the first token after the question."""
    with torch.no_grad():
        return model(torch.from_numpy(dataset.train.read(0, 1))[None])[0, -1].softmax(0)


@pytest.mark.parametrize("name", ["grpo", "ppo"])
def test_a_policy_comes_to_the_optimum_that_is_known(name, masked_dataset, tmp_path) -> None:
    """Five arms: the reference times exp(reward / beta), in GRPO with (1 - 1 / G) / beta."""
    dataset, beta, size = masked_dataset([("a", "bcde")] * 256), 0.4, 4
    objectives: dict[str, PolicyConfig] = {
        "grpo": GroupPolicy(max_new_tokens=1, group_size=size, kl_coef=beta),
        "ppo": ProximalPolicy(reward="exact", max_new_tokens=1, kl_coef=beta),
    }
    training = begun(
        dataset, objectives[name], arm_reward, tmp_path, spread=0.3,
        model=ModelConfig(1, 1, 8, 2, 5), batch_size=256, grad_accum=1,
        max_iters=80, lr=3e-2, min_lr=1e-4, schedule="linear",
    )  # fmt: skip
    reference = arm_probabilities(training.model, dataset)
    share = (size - 1) / size if name == "grpo" else 1.0
    best = (reference.log() + ARMS * share / beta).softmax(0)
    assert (reference - best).abs().sum() / 2 > 0.1, "or there is nothing to learn"
    training_steps = learner(training)
    for step in range(training.config.max_iters):
        training_steps.advance(step)
    reached = arm_probabilities(training.model, dataset)
    assert (reached - best).abs().sum() / 2 < 0.02


OBJECTIVES: list[PolicyConfig] = [
    GroupPolicy(max_new_tokens=5, group_size=4, epochs=1),
    GroupPolicy(max_new_tokens=5, group_size=4, kl_coef=0.3, epochs=2),
    ProximalPolicy(reward="exact", max_new_tokens=5, kl_coef=0.3),
]
each_objective = pytest.mark.parametrize("objective", OBJECTIVES, ids=["grpo", "grpo-kl", "ppo"])


@pytest.fixture
def start(sums: Dataset, tmp_path: Path) -> Callable[..., TrainingRun]:
    def make(objective: PolicyConfig, reward: Judge = length_reward, **values) -> TrainingRun:
        return begun(sums, objective, reward, tmp_path, **values)

    return make


def tensors(*models: GPT) -> list[Tensor]:
    return [one.detach().clone() for model in models for one in model.parameters()]


def given_gradients(one: Learner) -> list[Tensor]:
    """The gradients that the optimizer of a model is given at its next step, once there are any."""
    found: list[Tensor] = []
    parameters = list(one.model.parameters())
    one.optimizers[0].register_step_pre_hook(
        lambda *_: found.extend(each.grad.clone() for each in parameters)
    )
    return found


def unclipped(start, objective: PolicyConfig, **values) -> tuple[TrainingRun, PolicyTraining]:
    training = start(objective, grad_clip=0.0, **values)
    return training, learner(training)


def assert_alike(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine.double(), other, rtol=1e-4, atol=1e-6)
    assert max(one.abs().max() for one in theirs) > 1e-4


def log_probabilities(model: GPT, prompt: list[int], answer: list[int], n_ids: int) -> Tensor:
    """Of each token of one answer, (A,)."""
    logits = model(torch.tensor([prompt + answer[:-1]]))[0, len(prompt) - 1 :, :n_ids]
    return logits.log_softmax(1)[range(len(answer)), answer]


def test_a_step_of_grpo_is_that_of_plain_loops(start, sums) -> None:
    objective = GroupPolicy(max_new_tokens=5, group_size=4, kl_coef=0.3, epochs=1)
    training, ours = unclipped(start, objective)
    with torch.no_grad():  # a policy that has left its reference
        for one in training.model.parameters():
            one.mul_(1.1)
    rollouts = ours._rollouts.write(0)
    prompts, answers = rollouts.asked.prompts, rollouts.answers.ids
    gradients = given_gradients(ours._learners[0])
    double, reference = copy.deepcopy(training.model).double(), training.reference.double()
    ours._reference = copy.deepcopy(reference).float()
    ours.advance(0)

    loss = torch.zeros((), dtype=torch.float64)
    rewards = length_reward(rollouts.asked, rollouts.answers)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        first = row // 4 * 4
        advantage = rewards[row] - sum(rewards[first : first + 4]) / 4
        lp = log_probabilities(double, prompt, answer, sums.vocab_size)
        with torch.no_grad():
            ref = log_probabilities(reference, prompt, answer, sums.vocab_size)
        for token, under in zip(lp, ref, strict=True):
            ratio, e = (token - token.detach()).exp(), under - token
            loss = loss - ratio * advantage + 0.3 * ratio * (e.exp() - e - 1)
    loss = loss / (16 * 5)
    loss.backward()
    assert len({len(answer) for answer in answers}) > 1
    assert_alike(gradients, [one.grad for one in double.parameters()])
    assert ours.figures()[0]["loss"] == pytest.approx(loss.item(), abs=1e-6)


def test_a_step_of_ppo_is_that_of_plain_loops(start, sums) -> None:
    objective = ProximalPolicy(reward="exact", max_new_tokens=5, kl_coef=0.3, epochs=1)
    training, ours = unclipped(start, objective)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for one in training.model.parameters():
            one.mul_(1.1)
        value = ours._learners[1].model
        for one in value.parameters():
            one.add_(0.1 * torch.randn(one.shape, generator=generator))
    rollouts = ours._rollouts.write(0)
    gradients = [given_gradients(one) for one in ours._learners]
    double, critic, reference = (
        copy.deepcopy(one).double() for one in (training.model, value, training.reference)
    )
    ours.advance(0)

    n_ids, table = sums.vocab_size, []
    rewards = length_reward(rollouts.asked, rollouts.answers)
    asked = zip(rollouts.asked.prompts, rollouts.answers.ids, rewards.tolist(), strict=True)
    for prompt, answer, reward in asked:
        lp = log_probabilities(double, prompt, answer, n_ids)
        with torch.no_grad():
            ref = log_probabilities(reference, prompt, answer, n_ids)
        values = critic(torch.tensor([prompt + answer[:-1]]))[0, len(prompt) - 1 :, 0]
        earned = [-0.3 * (a - b).item() for a, b in zip(lp, ref, strict=True)]
        earned[-1] += reward
        known = [*values.tolist(), 0.0]
        deltas = [earned[t] + known[t + 1] - known[t] for t in range(len(answer))]
        for t in range(len(answer)):
            advantage = sum(0.95 ** (u - t) * deltas[u] for u in range(t, len(answer)))
            table.append((lp[t], values[t], advantage, advantage + known[t]))
    mean = sum(row[2] for row in table) / len(table)
    deviation = math.sqrt(sum((row[2] - mean) ** 2 for row in table) / len(table))
    losses = [-(row[0] - row[0].detach()).exp() * (row[2] - mean) / deviation for row in table]
    errors = [0.5 * (row[1] - row[3]) ** 2 for row in table]
    loss, error = (torch.stack(each).mean() for each in (losses, errors))
    (loss + error).backward()
    for found, model in zip(gradients, (double, critic), strict=True):
        assert_alike(found, [one.grad for one in model.parameters()])
    figures = ours.figures()[0]
    assert figures["loss"] == pytest.approx(loss.item(), abs=1e-5)
    assert figures["value_loss"] == pytest.approx(error.item(), rel=1e-4)
    returns = np.array([row[3] for row in table])
    missed = returns - np.array([row[1].item() for row in table])
    assert figures["explained_variance"] == pytest.approx(
        1 - missed.var() / returns.var(), abs=1e-4
    )


@each_objective
def test_micro_batches_add_up_to_the_whole(start, objective, monkeypatch) -> None:
    found = []
    for size, count, tokens in ((16, 1, 2560), (4, 4, 2560), (16, 1, 40)):
        monkeypatch.setattr(at_once, "_ANSWER_TOKENS", tokens)
        _, ours = unclipped(start, objective, batch_size=size, grad_accum=count)
        gradients = given_gradients(ours._learners[0])
        ours.advance(0)
        found.append(gradients[: len(gradients) // objective.epochs])
    for other in found[1:]:
        assert_alike(found[0], [one.double() for one in other])


def test_answers_are_in_parts_of_so_many_tokens_on_a_cpu(monkeypatch) -> None:
    monkeypatch.setattr(at_once, "_ANSWER_TOKENS", 20)
    rows = AnswerRows.of([[1, 2]] * 5, [[3] * length for length in (8, 2, 3, 1, 2)])
    parts = micro_batches(rows, torch.tensor([True, True, True, False, True]), 16)
    assert [part.numbers.tolist() for part in parts] == [[1, 4, 2], [0]]
    assert len(micro_batches(rows, torch.ones(5, dtype=torch.bool), 2)) == 3


@each_objective
def test_ratios_of_the_first_epoch_are_exactly_one(start, objective, monkeypatch) -> None:
    ratios = []

    def spied(losses: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def spy(lp: Tensor, old: Tensor, mask: Tensor, *rest: object) -> Tensor:
            ratios.append((lp.detach() - old).exp()[mask])
            return losses(lp, old, mask, *rest)

        return spy

    for place, name in ((grpo, "group_policy_losses"), (ppo, "proximal_policy_losses")):
        monkeypatch.setattr(place, name, spied(getattr(place, name)))
    learner(start(objective)).advance(0)
    epochs = np.array_split(np.arange(len(ratios)), objective.epochs)
    assert all(bool((ratios[i] == 1).all()) for i in epochs[0])
    assert objective.epochs == 1 or any(bool((ratios[i] != 1).any()) for i in epochs[1])


def test_values_of_the_first_epoch_are_those_before_the_update(start, monkeypatch) -> None:
    errors = []

    def spy(values: Tensor, old: Tensor, *rest: object, losses=ppo.value_losses) -> Tensor:
        errors.append(bool((values.detach() == old).all()))
        return losses(values, old, *rest)

    training = start(OBJECTIVES[2], batch_size=16, grad_accum=1)
    ours = learner(training)
    ours.advance(0)  # so that values are not all 0
    monkeypatch.setattr(ppo, "value_losses", spy)
    ours.advance(1)
    assert errors == [True, False]


@each_objective
def test_a_policy_that_has_not_moved_is_its_reference_to_the_last_digit(start, objective) -> None:
    ours = learner(start(objective))
    assert ours.evaluate(0, lambda *_: None).values["val_kl"] == 0.0
    ours.advance(0)
    ours.advance(1)
    first, second = ours.figures()
    assert first["kl"] == 0.0
    assert second["kl"] != 0.0
    assert ours.evaluate(2, lambda *_: None).values["val_kl"] != 0.0


def test_answers_that_are_worth_what_their_group_is_are_left_out(start, monkeypatch) -> None:
    def one_in_a_group(asked: QuestionBatch, answers: Answers) -> NDArray[np.float64]:
        return np.array([1.0, 0.0, 0.0, 0.0] + [0.5] * (len(answers.ids) - 4))

    computed = []
    losses = grpo.group_policy_losses
    monkeypatch.setattr(
        grpo,
        "group_policy_losses",
        lambda lp, *rest: computed.append(len(lp)) or losses(lp, *rest),
    )
    found = []
    for coefficient in (0.0, 1e-30):  # with a divergence, however small, all are used
        objective = GroupPolicy(max_new_tokens=5, group_size=4, kl_coef=coefficient, epochs=1)
        ours = learner(start(objective, one_in_a_group))
        gradients = given_gradients(ours._learners[0])
        ours.advance(0)
        found.append(gradients)
        assert ours.figures()[0]["zero_groups"] == 3 / 4
    assert computed == [4, 8, 8]
    assert_alike(found[0], [one.double() for one in found[1]])


def test_an_iteration_that_teaches_nothing_updates_nothing(start) -> None:
    training = start(GroupPolicy(max_new_tokens=5, group_size=4), lambda _, a: np.ones(len(a.ids)))
    ours, before = learner(training), tensors(training.model)
    ours.advance(0)
    assert all(map(torch.equal, before, tensors(training.model)))
    assert not training.optimizers[0].state
    figures = ours.figures()[0]
    assert (figures["zero_groups"], figures["grad_norm"], figures["loss"]) == (1.0, 0.0, 0.0)


@each_objective
def test_what_is_not_finite_is_named_and_changes_nothing(start, objective) -> None:
    def broken(asked: QuestionBatch, answers: Answers) -> NDArray[np.float64]:
        return np.where(np.arange(len(answers.ids)) == 5, math.nan, 1.0)

    training = start(objective, broken)
    ours, before = learner(training), tensors(training.model)
    with pytest.raises(DivergedError, match="reward is nan") as caught:
        ours.advance(3)
    assert caught.value.step == 3
    assert all(map(torch.equal, before, tensors(training.model)))
    assert not training.optimizers[0].state


def test_a_policy_whose_logits_overflow_has_diverged(start) -> None:
    training = start(OBJECTIVES[0])
    with torch.no_grad():
        training.model.final_norm.weight.fill_(3e38)
        training.model.lm_head.weight.fill_(3e38)
    with pytest.raises(DivergedError, match=r"step 2 \(the policy's logits are not finite"):
        learner(training).advance(2)


@each_objective
def test_a_stop_within_a_rollout_leaves_everything_as_it_was(start, objective) -> None:
    calls = 0

    def stop_at_third_token() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StopAsked

    training = start(objective)
    ours, before = learner(training, stop_at_third_token), tensors(training.model)
    with pytest.raises(StopAsked):
        ours.advance(0)
    assert all(map(torch.equal, before, tensors(training.model)))
    assert ours.figures() == []


@each_objective
def test_a_rehearsal_changes_nothing(start, objective) -> None:
    training = start(objective, lambda _, answers: np.ones(len(answers.ids)))
    ours = learner(training)
    models = [one.model for one in ours._learners]
    before, computed = tensors(*models), []
    training.model.lm_head.weight.register_hook(computed.append)
    ours.rehearse(8)
    ours.evaluation_seconds()
    assert len(computed) == objective.epochs, (
        "the cost of a step without a gradient is not its cost"
    )
    assert all(map(torch.equal, before, tensors(*models)))
    assert all(one.grad is None for model in models for one in model.parameters())


@each_objective
def test_a_policy_goes_on_from_its_state_as_if_it_had_not_stopped(start, objective) -> None:
    whole = start(objective)
    ours = learner(whole)
    for step in range(4):
        ours.advance(step)

    first = start(objective)
    theirs = learner(first)
    for step in range(2):
        theirs.advance(step)
    second = start(objective)
    second.model.load_state_dict(first.model.state_dict())
    moments = optimizer_tensors(first.optimizers, first.model)
    restore_optimizers(second.optimizers, second.model, moments)
    resumed = learner(second)
    resumed.restore(theirs.state())
    for step in range(2, 4):
        resumed.advance(step)
    assert ours.figures()[2:] == resumed.figures()
    for one, other in zip(ours._learners, resumed._learners, strict=True):
        assert all(map(torch.equal, tensors(one.model), tensors(other.model)))


def test_only_a_state_of_ppo_is_restored_by_ppo(start) -> None:
    group, proximal = learner(start(OBJECTIVES[0])), learner(start(OBJECTIVES[2]))
    proximal.advance(0)
    state = proximal.state()
    assert all(name.startswith("value.") for name in state)
    with pytest.raises(CheckpointError, match=r"holds value\."):
        group.restore(state)
    proximal.restore(state)
    name = "value.score.weight"
    broken = [
        {},
        {**state, name: state[name][:, 1:]},
        {**state, name: state[name] * math.nan},
        {**state, "lm_head.weight": state[name]},
        {**state, "value.other": state[name]},
    ]
    for one in broken:
        with pytest.raises(CheckpointError):
            proximal.restore(one)


def test_the_value_model_begins_as_the_policy_with_a_head_that_says_nothing(start) -> None:
    training = start(OBJECTIVES[2])
    value = learner(training)._learners[1].model
    known = dict(training.model.named_parameters())
    assert not value.score.weight.any()
    for name, parameter in value.named_parameters():
        if name != "score.weight":
            assert torch.equal(parameter, known[name])
            assert parameter.data_ptr() != known[name].data_ptr()


def test_an_evaluation_asks_the_same_and_draws_the_same(start, sums) -> None:
    training = start(OBJECTIVES[0], exact_reward(sums.tokenizer, sums.answer_ends))
    ours = learner(training)
    first = ours.evaluate(0, lambda *_: None)
    assert ours.evaluate(5, lambda *_: None) == first
    assert first.decisive == -first.values["val_reward"]
    assert first.values["val_reward"] == first.values["val_exact"]
    assert len(first.answers) == 8
    assert first.answers[0].keys() == {"question", "answer", "reward", "reference"}
    question, reference = first.answers[0]["question"], first.answers[0]["reference"]
    a, b = question.removesuffix("=").split("+")
    assert str(int(a) + int(b)) in reference


def test_how_much_of_the_returns_the_values_tell() -> None:
    returns = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert explained_variance(returns, returns) == 1
    assert explained_variance(torch.zeros(4), returns) == 0
    assert explained_variance(2 * returns, returns) == pytest.approx(0)
    assert explained_variance(-returns, returns) < 0
    assert explained_variance(returns, torch.ones(4)) == 0, "nothing to tell"


def test_what_is_written_follows_from_seed_and_iteration_alone(masked_dataset, tmp_path) -> None:
    dataset = masked_dataset([("ab", "cde")] * 3)  # so that questions do not tell the steps apart
    objective = GroupPolicy(max_new_tokens=5, group_size=4)

    def written(step: int, seed: int) -> list[list[int]]:
        training = begun(dataset, objective, length_reward, tmp_path, seed=seed)
        return learner(training)._rollouts.write(step).answers.ids

    assert written(0, 1) == written(0, 1)
    assert len({str(written(step, seed)) for step in (0, 1, 2) for seed in (1, 2)}) == 6
    assert len({str(answer) for answer in written(0, 1)}) > 8, "each row has a stream of its own"


def test_a_rollout_sees_the_last_update(start) -> None:
    training = start(OBJECTIVES[0], lr=0.1)
    ours = learner(training)
    before = ours._rollouts.write(5).answers.ids
    ours.advance(0)
    assert ours._rollouts.write(5).answers.ids != before


def test_the_value_model_learns_ten_times_as_fast(start) -> None:
    training = start(OBJECTIVES[2], lr=1e-3, min_lr=1e-4, schedule="linear", warmup_iters=2)
    ours, rates = learner(training), []
    for step in (0, 5, 9):
        ours.advance(step)
        rates.append([one.optimizers[0].param_groups[0]["lr"] for one in ours._learners])
    assert all(value == pytest.approx(10 * policy) for policy, value in rates)
    assert len({value for _, value in rates}) == 3
