"""A pass gives the same sums to the last digit, however many processes share it."""

import numpy as np
import pytest

from gptcli.evaluation import evaluation_pass
from gptcli.evaluation.evaluation_pass import EvaluationPass, tokens_per_batch
from gptcli.evaluation.loss import evaluate, evaluate_split
from gptcli.evaluation.target_windows import StridedWindows
from gptcli.runtime.world import World


@pytest.mark.parametrize("size", [2, 3, 100])
def test_processes_add_up_to_what_one_finds(model, random_tokens, monkeypatch, size) -> None:
    monkeypatch.setattr(evaluation_pass, "TOKENS_PER_BATCH", 8)  # 125 batches
    text, windows = random_tokens(1000), StridedWindows(8, 8, 1000)
    alone = evaluate(EvaluationPass(model, text, "cpu", windows))
    alone_losses, alone_places = EvaluationPass(model, text, "cpu", windows).losses()

    def shared(world: World) -> EvaluationPass:
        return EvaluationPass(model, text, "cpu", windows, world)

    def total(ask) -> list[np.ndarray]:
        """What the processes would add up, each asked by itself."""
        found: list[np.ndarray] = []
        with monkeypatch.context() as patch:
            patch.setattr(evaluation_pass, "all_sum", lambda _, own: found.append(own) or own)
            for rank in range(size):
                ask(shared(World(rank, size)))
        return np.sum(found, axis=0)

    with monkeypatch.context() as patch:
        buckets = total(evaluate)
        patch.setattr(evaluation_pass, "all_sum", lambda *_: buckets)
        assert evaluate(shared(World(0, size))) == alone
    with monkeypatch.context() as patch:
        found = total(EvaluationPass.losses)
        patch.setattr(evaluation_pass, "all_sum", lambda *_: found)
        losses, places = shared(World(0, size)).losses()
    assert losses.tobytes() == alone_losses.tobytes()
    assert places.tolist() == alone_places.tolist() == list(range(1, 1000))


def test_in_bfloat16_the_loss_is_nearly_that_of_float32(model, random_tokens) -> None:
    text = random_tokens(1000)
    exact, rounded = (
        evaluate_split(model, text, "cpu", precision=one) for one in ("float32", "bfloat16")
    )
    assert rounded.n_targets == exact.n_targets == 999
    assert rounded.loss != exact.loss
    assert rounded.loss == pytest.approx(exact.loss, rel=2e-3)


@pytest.mark.parametrize(
    ("device", "precision", "tokens"),
    [
        ("cpu", "bfloat16", 2**13),
        ("cuda:1", "float32", 2**13),
        ("cuda:1", "bfloat16", 2**17),
    ],
)
def test_only_in_bfloat16_on_a_gpu_are_batches_larger(
    model, device: str, precision, tokens: int
) -> None:
    assert tokens_per_batch(model.config, device, precision) == tokens
