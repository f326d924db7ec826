"""The GPT: embeddings, a stack of blocks, and a read-out over the vocabulary or of a score.

B rows, T positions, C = n_embd, V = vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.config.model import ModelConfig
from gptcli.model.attention import Attention
from gptcli.model.cache import KeyValueCache, LayerCache
from gptcli.model.mlp import MLP
from gptcli.model.norm import make_norm
from gptcli.model.positions import PositionSignal, make_positions

# Stands in place of a target that does not count in the loss (torch's ignore_index).
UNCOUNTED = -100


class Block(nn.Module):
    """Communication, then computation, each normalised before and added to the stream.

    The first models of the lecture's ladder lack the addition or the computation.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.residual = config.residual
        self.attention_norm = make_norm(config, config.n_embd)
        self.attention = Attention(config)
        self.mlp: MLP | None = None
        if config.inner_size:
            self.mlp_norm = make_norm(config, config.n_embd)
            self.mlp = MLP(config)

    def forward(
        self, x: Tensor, signal: PositionSignal | None = None, cache: LayerCache | None = None
    ) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return self.compute(x, self.attention(self.attention_norm(x), signal, cache))

    def compute(self, x: Tensor, gathered: Tensor) -> Tensor:
        """Add what attention gathered (B, T, C) to the stream x, then what the MLP makes of it."""
        x = x + gathered if self.residual else gathered
        if self.mlp is None:
            return x
        computed: Tensor = self.mlp(self.mlp_norm(x))
        return x + computed if self.residual else computed


def empty_embedding(n_rows: int, width: int) -> nn.Embedding:
    """An embedding without values; drawing them on the meta device would load a compiler."""
    values = torch.empty(n_rows, width)
    table: nn.Embedding = nn.Embedding.from_pretrained(values, freeze=False)  # type: ignore[no-untyped-call]
    return table


class GPT(nn.Module):
    """A decoder-only transformer: GPT-2 (Radford et al. 2019) and what grew from it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        C, V = config.n_embd, config.vocab_size
        self.token_embedding = empty_embedding(V, C)
        self.position_embedding = make_positions(config)
        self.embedding_norm = make_norm(config, C) if config.embedding_norm else nn.Identity()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.final_norm = make_norm(config, C)
        self.score: nn.Linear | None = None
        self.lm_head: nn.Module = nn.Identity()
        if config.score:
            self.score = nn.Linear(C, 1, bias=False)
        elif config.lm_head:
            self.lm_head = nn.Linear(C, V, bias=config.lm_head_bias)
        if config.tied:
            self.lm_head.weight = self.token_embedding.weight

    def forward(self, ids: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """Token ids (B, T) -> logits (B, T, V) for the token after each position, or scores."""
        return self.read_out(self.hidden(ids, cache))

    def hidden(self, ids: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """Token ids (B, T) -> the normalised residual stream (B, T, C) that the head reads.

        With a cache, ids continue the positions held there and are added to them.
        """
        past = cache.length if cache is not None else 0
        end = past + ids.shape[1]
        assert end <= self.config.block_size, (
            f"{end} positions, context of {self.config.block_size}"
        )
        x, signal = self.embed(ids, torch.arange(past, end, device=ids.device))
        for index, block in enumerate(self.blocks):
            x = block(x, signal, cache.layers[index] if cache is not None else None)
        stream: Tensor = self.final_norm(x)
        return stream

    def embed(self, ids: Tensor, positions: Tensor) -> tuple[Tensor, PositionSignal | None]:
        """Ids (B, T) at positions (T,) -> the stream (B, T, C) before the first block.

        Also returns the signal that carries these positions to attention, if there is one.
        """
        x = self.position_embedding.add_to(self.token_embedding(ids), positions)
        return self.embedding_norm(x), self.position_embedding.signal(positions)

    def read_out(self, stream: Tensor) -> Tensor:
        """The stream (..., C) of some positions -> logits (..., V), or their score (..., 1)."""
        if self.score is not None:
            scores: Tensor = self.score(stream)
            return scores
        logits: Tensor = self.lm_head(stream)
        cap = self.config.logit_cap
        return logits if cap is None else cap * torch.tanh(logits / cap)


def next_token_loss(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy in nats, float32: logits (B, T, V), targets (B, T) -> their mean or sum.

    Targets that are UNCOUNTED have no loss and are not in the mean.
    """
    return F.cross_entropy(
        logits.float().flatten(0, 1),
        targets.flatten(),
        ignore_index=UNCOUNTED,
        reduction=reduction,
    )
