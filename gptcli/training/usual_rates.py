"""The rates of the optimizers, and what goes with Muon, where the user of ``train`` does not say.

Every constant is measured, on Tiny Shakespeare unless said (tests/benchmarks/README.md).
"""

import math
from types import MappingProxyType

from gptcli.config.model import ModelConfig
from gptcli.config.training import RATES
from gptcli.families.shapes import parameter_groups
from gptcli.training.recipe import Values

# Muon's values, and the rates of what AdamW updates beside it, as in the best run so far.
_BESIDE_MUON: Values = MappingProxyType(
    {
        "weight_decay": 0.2, "embedding_lr": 4e-3, "head_lr": 4e-3, "vector_lr": 4e-3,
        "beta1": 0.8, "beta2": 0.95, "schedule": "wsd", "warmup_iters": 0,
    }
)  # fmt: skip
NGRAM_TEACHER = 0.7  # where a text can be counted
_WITH_MUON = (0.02, 0.04)  # the least and the highest rate of matrices
_WITH_MUON_FOR_ANSWERS = 0.03  # at 0.02 two minutes of sums end at 91% right instead of 100%
_MUON_TOKENS = 4096  # of a step whose best rate was measured
LEAST_WITH_MUON = 0.02  # of the full rate, at the end of the decay


def rounded(rate: float) -> float:
    """A rate with two digits, as one writes it."""
    return float(f"{rate:.2g}")


def usual_rate(model: ModelConfig) -> float:
    """AdamW's learning rate: inversely proportional to the width (Yang et al. 2022).

    The constant is measured: a width of 128 learns best near 4e-3 (Tiny Shakespeare), and
    GPT-2's 768 is commonly trained at 6e-4.
    """
    return rounded(min(4e-3, 0.5 / model.n_embd))


def usual_with_muon(
    model: ModelConfig, tokens_per_iter: int, iters: int, are_answers: bool = False
) -> Values:
    """The usual values with Muon, for the groups of parameters that the model has.

    ``are_answers``: the text is made of short questions with their answers.
    """
    rate = _WITH_MUON_FOR_ANSWERS if are_answers else _muon_rate(tokens_per_iter, iters)
    return {"lr": rate, **_beside_muon(model)}


def fine_tuning_rates(model: ModelConfig, optimizer: str) -> Values:
    """A tenth of the usual rates, of Muon's highest, for a model that has learnt already."""
    if optimizer != "muon":
        return {"lr": usual_rate(model) / 10}
    rates = {name: value for name, value in _beside_muon(model).items() if name in RATES}
    return {name: value / 10 for name, value in {"lr": _WITH_MUON[1], **rates}.items()}


def _muon_rate(tokens_per_iter: int, iters: int) -> float:
    """The rate of matrices: a long run of small steps learns best at a low one.

    Measured with 4,096 tokens a step: 190 of them near 0.037, 560 near 0.021. Below 0.02 a long
    run of a small text learns it by heart (0.013, 2,140 steps: 1.4089 instead of 1.3955).
    """
    rate = 0.5 * math.sqrt(tokens_per_iter / _MUON_TOKENS / max(1, iters))
    least, most = _WITH_MUON
    return rounded(min(most, max(least, rate)))


def _beside_muon(model: ModelConfig) -> Values:
    """The values beside the rate of matrices, for the groups of parameters that there are."""
    groups = parameter_groups(model)
    return {
        name: value for name, value in _BESIDE_MUON.items() if RATES.get(name) in {None, *groups}
    }
