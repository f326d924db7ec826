"""Sizes that grow with the context: the attention pattern, and the cached keys and values."""

from dataclasses import dataclass

from gptcli.config.model import ModelConfig

HALF_PRECISION = 2
"""Bytes of one number in float16 or bfloat16."""


@dataclass(frozen=True)
class Pattern:
    """Size of the attention pattern: the square of the context, for every head of every layer.

    ``n_bytes`` is what it would take to hold all of them at once (fused kernels hold none).
    """

    per_head: int
    all_heads: int
    n_bytes: int


def attention_pattern(
    config: ModelConfig, context: int, bytes_per_value: int = HALF_PRECISION
) -> Pattern:
    """The pattern of one sequence of ``context`` tokens."""
    per_head = context * context
    all_heads = per_head * config.n_layer * config.n_head
    return Pattern(per_head, all_heads, all_heads * bytes_per_value)


def kv_cache_bytes_per_token(config: ModelConfig, bytes_per_value: int = HALF_PRECISION) -> int:
    """Bytes of a token's keys and values: 2 x layers x key/value heads x head size numbers."""
    return 2 * config.n_layer * config.key_value_heads * config.head_size * bytes_per_value
