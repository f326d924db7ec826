"""Muon: its update is the orthogonal part of the momentum, as in torch's one-by-one Muon."""

import pytest
import torch
from torch import Tensor, nn

from gptcli.training.muon import Muon, orthogonalized

SHAPES = [(16, 16), (64, 16), (16, 64), (3, 40), (1, 8)]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_become_about_1_and_directions_stay(shape: tuple[int, int]) -> None:
    matrices = draw(4, *shape)
    result = orthogonalized(matrices).float()
    u, _, v = torch.linalg.svd(matrices.double(), full_matrices=False)
    exact = (u @ v).float()
    singular = torch.linalg.svdvals(result)
    assert singular.min() > 0.3  # a random square matrix has one that is nearly 0
    assert singular.max() < 1.35
    cosine = torch.cosine_similarity(result.flatten(1), exact.flatten(1))
    assert cosine.min() > 0.95


def test_a_zero_gradient_gives_a_zero_update() -> None:
    assert not orthogonalized(torch.zeros(2, 4, 6)).any()


def test_a_matrix_of_a_stack_has_the_update_that_it_has_alone() -> None:
    stack = draw(3, 8, 24)
    together = orthogonalized(stack)
    for index in range(3):
        assert torch.allclose(
            together[index], orthogonalized(stack[index : index + 1])[0], atol=0.02
        )


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_steps_are_those_of_torch(shape: tuple[int, int]) -> None:
    ours, theirs = nn.Parameter(draw(*shape)), nn.Parameter(draw(*shape))
    optimizer = Muon([{"params": [ours], "parts": [[shape[0]]]}], lr=0.1, weight_decay=0.2)
    oracle = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.2, momentum=0.95, nesterov=True)
    for step in range(3):
        before = ours.detach().clone()
        theirs.data.copy_(ours)
        ours.grad, theirs.grad = draw(*shape, seed=step + 1), draw(*shape, seed=step + 1)
        optimizer.step()
        oracle.step()
        moved = (ours.detach() - before).flatten()
        expected = (theirs.detach() - before).flatten()
        assert torch.cosine_similarity(moved, expected, dim=0) > 0.99
        assert moved.norm() == pytest.approx(expected.norm().item(), rel=0.02)
        saved = optimizer.state[ours]["momentum_buffer"]
        assert torch.allclose(saved, oracle.state[theirs]["momentum_buffer"], atol=1e-6)


def test_stacked_parts_are_updated_as_if_they_were_parameters_of_their_own() -> None:
    whole = nn.Parameter(draw(8 + 4 + 4, 8))
    parts = [nn.Parameter(part.clone()) for part in whole.detach().split([8, 4, 4])]
    gradient = draw(16, 8, seed=1)
    whole.grad = gradient
    for part, own in zip(parts, gradient.split([8, 4, 4]), strict=True):
        part.grad = own.clone()
    Muon([{"params": [whole], "parts": [[8, 4, 4]]}], lr=0.1).step()
    Muon([{"params": parts, "parts": [[8], [4], [4]]}], lr=0.1).step()
    assert torch.allclose(whole, torch.cat(list(parts)), atol=2e-3)


def test_a_parameter_without_a_gradient_stays() -> None:
    parameter = nn.Parameter(draw(4, 4))
    before = parameter.detach().clone()
    Muon([{"params": [parameter], "parts": [[4]]}], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(parameter, before)
