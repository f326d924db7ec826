"""A step: what it promises when it goes wrong, without waiting for the device; its pure loss."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from gptcli.errors import DivergedError
from gptcli.fast import head_loss
from gptcli.fast.head_loss import summed_loss
from gptcli.training import step as step_module
from gptcli.training.optimizers import optimizer_tensors
from gptcli.training.step import Stepper, batch_loss
from gptcli.training.training_run import TrainingRun

OPTIMIZERS = [{}, {"family": "nanochat", "weight_decay": 0.5}]
IDS = ["adamw", "muon"]
BAD = [math.nan, math.inf]


def deferring(training: TrainingRun, defers: bool = True) -> Stepper:
    return Stepper(
        training.model, training.optimizers, training.dataset.train, training.config, defers
    )


def everything(training: TrainingRun) -> Iterator[tuple[str, Tensor]]:
    """Copies of the weights and of all that the optimizers keep."""
    for name, parameter in training.model.named_parameters():
        yield name, parameter.detach().clone()
    for name, tensor in optimizer_tensors(training.optimizers, training.model).items():
        yield name, tensor.clone()


def poison(training: TrainingRun, value: float) -> None:
    """Have the gradient of a matrix hold ``value`` from now on."""
    matrix = training.model.blocks[0].mlp.up.weight
    matrix.register_hook(lambda gradient: gradient.index_fill(0, torch.tensor([0]), value))


class NoWaiting(TorchDispatchMode):
    """Refuses what needs a value or a number of values in Python, so that a GPU must be done."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "masked_select"), name
        return func(*args, **(kwargs or {}))


class NoLists(TorchFunctionMode):
    """Refuses ``tolist``, which is no operation and does the same."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        assert func is not Tensor.tolist, "tolist"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("given", OPTIMIZERS, ids=IDS)
@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("defers", [False, True])
def test_a_step_that_is_no_number_changes_nothing(begin, given, value: float, defers: bool) -> None:
    training = begin("a", **given)
    stepper = deferring(training, defers)
    stepper.advance(0)
    stepper.advance(1)
    assert all(one.is_finite for one in stepper.figures())
    before = dict(everything(training))
    poison(training, value)
    with pytest.raises(DivergedError, match="step 2 "):
        stepper.advance(2)
        stepper.advance(3)
        stepper.figures()
    after = dict(everything(training))
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.mark.parametrize("given", OPTIMIZERS, ids=IDS)
def test_no_step_after_a_bad_one_changes_anything(begin, given) -> None:
    training = begin("a", **given)
    stepper = deferring(training)
    stepper.advance(0)
    before = dict(everything(training))
    matrix = training.model.blocks[0].mlp.up.weight
    handle = matrix.register_hook(lambda gradient: gradient * math.nan)
    stepper.advance(1)
    handle.remove()
    stepper.advance(2)  # would be a good one
    after = dict(everything(training))
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    with pytest.raises(DivergedError, match="step 1 "):
        stepper.figures()


@pytest.mark.parametrize("given", OPTIMIZERS, ids=IDS)
def test_a_deferred_step_is_the_same_and_never_waits(begin, given) -> None:
    given = {**given, "dropout": 0.1, "grad_accum": 2, "grad_clip": 0.5}
    plain, deferred = begin("plain", **given), begin("deferred", **given)
    one, other = deferring(plain, defers=False), deferring(deferred)
    for step in range(4):
        one.advance(step)
        with NoWaiting(), NoLists():
            other.advance(step)
    assert one.figures() == other.figures()
    expected, found = dict(everything(plain)), dict(everything(deferred))
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_a_step_that_is_checked_at_once_waits(begin) -> None:
    with pytest.raises(AssertionError, match="tolist"), NoLists():
        deferring(begin("a"), defers=False).advance(0)
    with pytest.raises(AssertionError, match="_local_scalar_dense"), NoWaiting():
        float(torch.ones(()))


def test_the_loss_compiles_as_a_whole_and_once(begin) -> None:
    """With ``fullgraph`` a break in the graph is an error; the numbers of targets may differ."""
    model = begin("a", family="nanochat").model
    graphs = []

    def backend(graph: torch.fx.GraphModule, _: object) -> object:
        graphs.append(graph)
        return graph.forward

    traced = torch.compile(batch_loss, backend=backend, fullgraph=True, dynamic=False)
    tokens = torch.arange(4 * 17).reshape(4, 17) % 10
    for share in (0.3, 0.7):
        counted = torch.rand(4, 16, generator=torch.Generator().manual_seed(1)) < share
        expected = batch_loss(model, tokens, counted, "float32")
        assert traced(model, tokens, counted, "float32") == expected
    assert len(graphs) == 1
    assert traced(model, tokens, None, "float32") == batch_loss(model, tokens, None, "float32")


@pytest.mark.parametrize("given", OPTIMIZERS, ids=IDS)
def test_gradients_that_keep_their_memory_train_the_same(begin, given) -> None:
    usual, kept = begin("a", **given), begin("b", **given)
    for training, keeps in ((usual, False), (kept, True)):
        stepper = Stepper(
            training.model, training.optimizers, training.dataset.train, training.config,
            keeps_gradients=keeps,
        )  # fmt: skip
        for step in range(4):
            stepper.advance(step)
    assert all(parameter.grad is not None for parameter in kept.model.parameters())
    ours, oracle = dict(everything(kept)), dict(everything(usual))
    assert all(torch.equal(ours[name], oracle[name]) for name in oracle)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "nanochat"])
def test_the_loss_is_one_graph(begin, family: str, precision) -> None:
    """A break in it would leave a GPU with the speed of what is not compiled."""
    training = begin("a", family=family)
    tokens = torch.arange(2 * 9).view(2, 9) % training.model.config.vocab_size
    torch.compiler.reset()  # what other tests compiled counts
    whole = torch.compile(batch_loss, backend="eager", fullgraph=True, dynamic=False)
    with torch.no_grad():
        ours = whole(training.model, tokens, None, precision)
        oracle = batch_loss(training.model, tokens, None, precision)
    assert float(ours) == pytest.approx(float(oracle), rel=1e-5)


def test_a_step_takes_parts_where_they_are_worth_while(
    begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step with parts and one without have the same weights after it, but for rounding."""
    whole, parts = begin("a"), begin("b")
    taken = []
    monkeypatch.setattr(step_module, "summed_loss", lambda *a: taken.append(a) or summed_loss(*a))
    for training, least in ((whole, 10**9), (parts, 1)):
        monkeypatch.setattr(head_loss, "LEAST", least)
        training.stepper().advance(0)
        assert bool(taken) == (least == 1)
    for ours, oracle in zip(parts.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(ours, oracle, atol=1e-5, rtol=1e-3)
