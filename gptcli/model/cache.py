"""Keys and values of the positions already seen, so that generation computes each once."""

import torch
from torch import Tensor

from gptcli.config.model import ModelConfig


class LayerCache:
    """Preallocated keys and values of one layer: (B, n_kv_head, positions, D) each.

    The positions of one head lie next to each other in memory, as attention reads them.
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys = keys
        self.values = values
        self.length = 0

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store the keys and values (B, n_kv_head, T, D) of new positions; returns all so far.

        Those of a single row, a prompt that all samples share, are copied to every row.
        """
        rows, start, end = len(key), self.length, self.length + key.shape[2]
        assert end <= self.keys.shape[2], "the cache is full"
        self.keys[:, :, start:end] = key
        self.values[:, :, start:end] = value
        self.length = end
        return self.keys[:rows, :, :end], self.values[:rows, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Drop all rows of the batch but these."""
        self.keys, self.values = self.keys[rows], self.values[rows]


class KeyValueCache:
    """One LayerCache per layer; ``length`` positions are filled in each.

    There is room for the whole context, or for its first ``capacity`` positions.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch_size: int,
        device: torch.device,
        dtype: torch.dtype,
        capacity: int | None = None,
    ) -> None:
        room = min(config.block_size, capacity or config.block_size)
        shape = (batch_size, config.key_value_heads, room, config.head_size)
        self.layers = [
            LayerCache(
                torch.empty(shape, device=device, dtype=dtype),
                torch.empty(shape, device=device, dtype=dtype),
            )
            for _ in range(config.n_layer)
        ]

    @property
    def tensors(self) -> tuple[list[Tensor], list[Tensor]]:
        """The keys and the values of all layers, whole: also the positions not yet filled."""
        return [layer.keys for layer in self.layers], [layer.values for layer in self.layers]

    @property
    def length(self) -> int:
        """Number of positions held; 0 in a model without layers."""
        return self.layers[0].length if self.layers else 0

    def extend(self) -> int:
        """Count one more position, which the caller fills; returns the new length."""
        for layer in self.layers:
            layer.length += 1
        return self.length

    def keep(self, rows: Tensor) -> None:
        """Drop all rows of the batch but these; their order is the new one."""
        for layer in self.layers:
            layer.keep(rows)

    def shorten(self, length: int) -> None:
        """Forget the positions from ``length`` on; their memory is used again."""
        for layer in self.layers:
            layer.length = length
