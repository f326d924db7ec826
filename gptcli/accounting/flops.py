"""Floating-point operations of one sequence, a multiplication and an addition counted as two.

The convention of Kaplan et al. 2020 (arXiv:2001.08361, table 1) and Hoffmann et al. 2022
(arXiv:2203.15556, appendix F), less what they estimate: only matrix products count, embedding
look-ups, biases, norms and softmax are 0. With context C, width d, L layers, vocabulary V:

    forward = C * (L * (24 d^2 + 4 C d) + 2 d V)

24 d^2 is 2 x the 12 d^2 weights of a GPT-2 block (other families have other matrices), 4 C d
are queries times keys and weights times values over the full square; d there is the width of
all query heads together. Causal attention needs its lower triangle alone: C (C + 1) / 2 of
C^2 places, so 4 C^2 d becomes 2 d C (C + 1). The backward pass takes two products for each of
the forward pass, so training = 3 x forward.
"""

from dataclasses import dataclass, replace

from gptcli.accounting.parameters import exact_count, parameter_rows
from gptcli.config.model import ModelConfig


@dataclass(frozen=True)
class Flops:
    """Operations for one sequence of ``context`` tokens."""

    context: int
    forward_full: int
    forward_causal: int

    @property
    def training_full(self) -> int:
        """Forward and backward, the whole square of attention computed."""
        return 3 * self.forward_full

    @property
    def training_causal(self) -> int:
        """Forward and backward, only the lower triangle computed."""
        return 3 * self.forward_causal


def sequence_flops(config: ModelConfig, context: int) -> Flops:
    """Operations for one sequence; ``context`` may exceed the model's own."""
    d = config.n_head * config.head_size
    products = 2 * context * _weights_multiplied(config)
    square = config.n_layer * 4 * d * context * context
    triangle = config.n_layer * 2 * d * context * (context + 1)
    return Flops(context, products + square, products + triangle)


@dataclass(frozen=True)
class TrainingCompute:
    """Operations to train on so many tokens, in sequences of one length.

    ``six_nd`` is the rule of thumb, 6 x parameters x tokens: it leaves out attention's square
    and counts embeddings as if they were multiplied. The GPT-3 paper's 3.14e23 follows it.
    """

    tokens: int
    six_nd: int
    full: int
    causal: int


def training_compute(config: ModelConfig, context: int, tokens: int) -> TrainingCompute:
    """Operations of training on ``tokens`` in sequences of ``context``."""
    flops = sequence_flops(config, context)  # all its terms are multiples of the context
    return TrainingCompute(
        tokens=tokens,
        six_nd=6 * exact_count(config) * tokens,
        full=flops.training_full // context * tokens,
        causal=flops.training_causal // context * tokens,
    )


def _weights_multiplied(config: ModelConfig) -> int:
    """Weights that every token is multiplied by: all matrices but those that are looked up."""
    untied = replace(config, tied=False) if config.tied else config
    return sum(
        row.params
        for row in parameter_rows(untied)
        if len(row.shape) == 2 and row.name not in ("token_embedding", "position_embedding")
    )
