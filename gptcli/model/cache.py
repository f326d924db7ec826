"""Keys and values of the positions already seen, so that generation computes each once."""

import torch
from torch import Tensor

from gptcli.config.model import ModelConfig


class LayerCache:
    """Preallocated keys and values of one layer: (block_size, B, n_kv_head, D) each.

    Positions come first, so that those held so far are one piece of memory.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys = keys
        self.values = values
        self.length = 0

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store the keys and values (B, n_kv_head, T, D) of new positions; returns all so far."""
        start = self.length
        keys, values = self.extend(key.shape[2])
        keys[start:] = key.permute(2, 0, 1, 3)
        values[start:] = value.permute(2, 0, 1, 3)
        return keys.permute(1, 2, 0, 3), values.permute(1, 2, 0, 3)

    def extend(self, n: int = 1) -> tuple[Tensor, Tensor]:
        """Keys and values (S, B, n_kv_head, D) up to and with ``n`` positions yet to be filled."""
        self.length += n
        assert self.length <= self.keys.shape[0], "the cache is full"
        return self.keys[: self.length], self.values[: self.length]


class KeyValueCache:
    """One LayerCache per layer; ``length`` positions are filled in each."""

    def __init__(
        self, config: ModelConfig, batch_size: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        shape = (config.block_size, batch_size, config.key_value_heads, config.head_size)
        self.layers = [
            LayerCache(
                torch.empty(shape, device=device, dtype=dtype),
                torch.empty(shape, device=device, dtype=dtype),
            )
            for _ in range(config.n_layer)
        ]

    @property
    def length(self) -> int:
        """Number of positions held; none where no layer looks at any."""
        return self.layers[0].length if self.layers else 0

    def clear(self) -> None:
        """Forget all positions, keep the memory."""
        for layer in self.layers:
            layer.length = 0
