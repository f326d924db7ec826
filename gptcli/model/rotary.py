"""Rotary positions: queries and keys turn with their position, so that scores see distances.

Su et al. 2021 (arXiv:2104.09864). Number i of a head is paired with number i + D/2, as in
Hugging Face's weights. T positions, D = head size. Nothing here is learned or stored.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gptcli.config.model import ModelConfig
from gptcli.config.rope import RopeScaling


class Rotation(NamedTuple):
    """Cosine and sine of the angle of every pair at every position: (T, D/2) each, float32."""

    cos: Tensor
    sin: Tensor


def rotation_at(positions: Tensor, config: ModelConfig) -> Rotation:
    """The rotation of whole-number positions (T,)."""
    angles = positions[:, None] * frequencies(config, positions.device)
    sin = angles.sin()
    return Rotation(angles.cos(), -sin if config.rope_reversed else sin)


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn the pairs of every head: (B, H, T, D) -> (B, H, T, D), in x's own precision."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = rotation
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(x.dtype)


def frequencies(config: ModelConfig, device: torch.device) -> Tensor:
    """Radians per position of every pair, (D/2,) in float32: theta^(-2i/D), section 3.2.2."""
    D = config.head_size
    exponents = torch.arange(0, D, 2, device=device).float() / D
    pace = 1.0 / config.rope_theta**exponents
    return pace if config.rope_scaling is None else _stretched(pace, config.rope_scaling)


def _stretched(pace: Tensor, scaling: RopeScaling) -> Tensor:
    """Slow pairs slower by ``factor``, fast ones as they were, a linear blend between."""
    turns = scaling.original_context * pace / (2 * math.pi)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    kept = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return kept * pace + (1.0 - kept) * pace / scaling.factor
