"""Position encodings: how a model knows the place of each token.

An encoding may add vectors to the stream before the first block, or send a signal to the
attention of every block, or do nothing. A new one is a class here, an entry in
``make_positions`` and a value of config.model.Positions.

B rows, T positions, C = n_embd, H = number of heads, D = head size.
"""

import math
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.config.model import ModelConfig
from gptcli.config.rope import RopeScaling


class PositionSignal(Protocol):
    """The positions of attention's input, in a form that encodes them in queries and keys."""

    def encode(self, query_or_key: Tensor) -> Tensor:
        """Encode the positions in queries or keys: (B, H, T, D) -> (B, H, T, D)."""
        ...


class PositionEncoding(nn.Module):
    """The base of all encodings, which encodes nothing (Haviv et al. 2022, "NoPos").

    Attention then sees its past as a set. The other encodings override one of the two methods,
    or both.
    """

    def add_to(self, stream: Tensor, positions: Tensor) -> Tensor:
        """The stream (B, T, C) plus the vectors of these positions (T,), whole numbers."""
        return stream

    def signal(self, positions: Tensor) -> PositionSignal | None:
        """The signal of these positions (T,) for the attention of every block, if any."""
        return None


class LearnedPositions(PositionEncoding):
    """A vector for every position, added to the stream (Vaswani et al. 2017, section 3.5)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.block_size, config.n_embd))

    def add_to(self, stream: Tensor, positions: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return stream + F.embedding(positions, self.weight)


class RotaryPositions(PositionEncoding):
    """Rotate queries and keys by their position, so that scores depend on distances alone.

    Su et al. 2021 (arXiv:2104.09864). It has no parameters.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    def signal(self, positions: Tensor) -> "Rotation":
        """The rotation of these positions (T,)."""
        angles = positions[:, None] * frequencies(self.config, positions.device)
        sin = angles.sin()
        return Rotation(angles.cos(), -sin if self.config.rope_reversed else sin)


class Rotation(NamedTuple):
    """Cosine and sine of the angle of every pair at every position: (T, D/2) each, float32."""

    cos: Tensor
    sin: Tensor

    def encode(self, query_or_key: Tensor) -> Tensor:
        """Rotate the pairs of every head: (B, H, T, D) -> (B, H, T, D), in the same precision.

        Number i of a head is paired with number i + D/2, as in Hugging Face's weights.
        """
        first, second = query_or_key.chunk(2, dim=-1)
        cos, sin = self.cos, self.sin
        rotated = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
        return rotated.to(query_or_key.dtype)


def frequencies(config: ModelConfig, device: torch.device) -> Tensor:
    """Radians per position of every pair, (D/2,) in float32: theta^(-2i/D), section 3.2.2."""
    D = config.head_size
    exponents = torch.arange(0, D, 2, device=device).float() / D
    plain = 1.0 / config.rope_theta**exponents
    return plain if config.rope_scaling is None else _scaled(plain, config.rope_scaling)


def _scaled(plain: Tensor, scaling: RopeScaling) -> Tensor:
    """Divide low frequencies by ``factor``, keep high ones, blend linearly between them."""
    turns = scaling.original_context * plain / (2 * math.pi)  # within the original context
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    kept = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return kept * plain + (1.0 - kept) * plain / scaling.factor


def make_positions(config: ModelConfig) -> PositionEncoding:
    """The model's position encoding."""
    match config.positions:
        case "learned":
            return LearnedPositions(config)
        case "rotary":
            return RotaryPositions(config)
        case "none":
            return PositionEncoding()
