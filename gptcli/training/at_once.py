"""How much of a batch is computed together: all of it on a GPU, on a CPU what its caches hold.

A CPU is faster in parts: what a large batch keeps for its gradient is new memory in every step.
The gradient is the same sum.
"""

import math

from gptcli.config.model import ModelConfig

_NUMBERS = 1_600_000  # of the stream
_ANSWER_TOKENS = 2560  # of short rows; fewer cost more than their arithmetic


def rows_at_once(n_rows: int, model: ModelConfig, device: str) -> int:
    """How many rows of a micro-batch of ``n_rows`` windows are computed together."""
    most = max(1, _NUMBERS // (model.block_size * model.n_embd))
    n_parts = -(-n_rows // most) if device == "cpu" else 1
    return -(-n_rows // n_parts)


def answer_tokens_at_once(device: str) -> float:
    """How many tokens of prompts with answers are computed together, with what fills them up."""
    return _ANSWER_TOKENS if device == "cpu" else math.inf
