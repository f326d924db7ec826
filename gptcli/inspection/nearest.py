"""The tokens of a vocabulary that lie nearest to a vector, or that a vector speaks for most.

V = vocabulary, n vectors of C numbers. A few vectors are compared with all tokens at a time, so
that a large vocabulary needs little memory beside its own table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gptcli.errors import CheckpointError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.model.gpt import GPT

_CELLS_AT_ONCE = 2**22  # vectors times tokens; 16 MB


@dataclass(frozen=True)
class ScoredToken:
    """A token of the vocabulary and its score: a cosine, a share of a logit or a probability."""

    id: int
    text: str
    score: float


_Tokens = list[ScoredToken]


@dataclass(frozen=True)
class VectorSum:
    """Embeddings (C,), their sum with signs (C,), and the tokens that it points to.

    ``nearest`` have the largest cosines with the sum, ``farthest`` the lowest.
    """

    vectors: tuple[Tensor, ...]
    total: Tensor
    nearest: Sequence[ScoredToken]
    farthest: Sequence[ScoredToken]

    @property
    def cosines(self) -> list[float]:
        """The cosine of the sum with each of its vectors."""
        return [cosine(vector, self.total) for vector in self.vectors]


@dataclass(frozen=True)
class TokenVectors:
    """A model's tokens as vectors: the rows of its table of embeddings, and those of its head."""

    loaded: LoadedModel

    @property
    def size(self) -> int:
        """The number of tokens; rows above them, which only pad the table, are left out."""
        return min(self.loaded.tokenizer.vocab_size, self.loaded.model.config.vocab_size)

    @property
    def table(self) -> Tensor:
        """The embeddings of all tokens (V, C)."""
        table: Tensor = self.loaded.model.token_embedding.weight[: self.size]
        return table

    def embedding(self, token_id: int) -> Tensor:
        """The vector of a token, (C,) in float32."""
        row: Tensor = self.table[token_id].detach().float()
        return row

    def sum_of(self, ids: Sequence[int], signs: Sequence[int], count: int) -> VectorSum:
        """The sum of embeddings, some taken away, and ``count`` tokens that are not in it."""
        vectors = tuple(self.embedding(one).cpu() for one in ids)
        total = torch.stack([sign * one for sign, one in zip(signs, vectors, strict=True)]).sum(0)
        nearest, opposite = self.nearest(torch.stack([total, -total]), count, tuple(ids))
        return VectorSum(vectors, total, nearest, _negated(opposite))

    @torch.inference_mode()
    def nearest(self, vectors: Tensor, count: int, without: tuple[int, ...] = ()) -> list[_Tokens]:
        """The tokens whose embeddings have the largest cosines with each of the vectors (n, C)."""
        table, tiny = self.table, torch.finfo(torch.float32).tiny
        lengths: Tensor = torch.linalg.vector_norm(table, dim=1, dtype=torch.float32)
        if not bool(lengths.isfinite().all()):
            raise CheckpointError(
                f"{self.loaded.directory}: the table of embeddings is not finite: its weights are "
                "damaged, use an earlier checkpoint"
            )

        def cosines(some: Tensor) -> Tensor:
            units: Tensor = some / some.norm(dim=1, keepdim=True).clamp_min(tiny)
            return (units @ table.T).float() / lengths.clamp_min(tiny)

        return self._largest(cosines, vectors, count, without)

    @torch.inference_mode()
    def raised_and_lowered(self, vectors: Tensor, count: int) -> list[tuple[_Tokens, _Tokens]]:
        """The tokens whose rows of the head have the largest products with vectors (n, C).

        Also those with the lowest, of which the first is lowered most.
        """
        found = list[tuple[_Tokens, _Tokens]]()
        for some in self._parts(vectors):
            products = _products(self.loaded.model, some)[:, : self.size]
            ends = (self._ranked(products, count), self._ranked(-products, count))
            found += [(raised, _negated(lowered)) for raised, lowered in zip(*ends, strict=True)]
        return found

    @torch.inference_mode()
    def expected(self, streams: Tensor, count: int) -> list[_Tokens]:
        """The likeliest next tokens, if the final norm and the head read these streams (n, C)."""
        model = self.loaded.model

        def probabilities(some: Tensor) -> Tensor:
            return model.read_out(model.final_norm(some)).float().softmax(dim=-1)

        return self._largest(probabilities, streams, count)

    def _largest(
        self,
        scores_of: Callable[[Tensor], Tensor],
        vectors: Tensor,
        count: int,
        without: tuple[int, ...] = (),
    ) -> list[_Tokens]:
        found = list[_Tokens]()
        for some in self._parts(vectors):
            scores = scores_of(some)[:, : self.size]
            scores[:, list(without)] = -torch.inf
            found += self._ranked(scores, min(count, self.size - len(set(without))))
        return found

    def _parts(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """As many vectors at once as bound the memory that their scores take."""
        vectors = vectors.to(self.table.device, self.table.dtype)
        return torch.split(vectors, max(_CELLS_AT_ONCE // self.size, 1))

    def _ranked(self, scores: Tensor, count: int) -> list[_Tokens]:
        best, piece = scores.topk(min(count, self.size), dim=1), self.loaded.tokenizer.piece
        return [
            [ScoredToken(one, piece(one), score) for one, score in zip(ids, values, strict=True)]
            for ids, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]


def _negated(tokens: Sequence[ScoredToken]) -> list[ScoredToken]:
    return [ScoredToken(one.id, one.text, -one.score) for one in tokens]


def cosine(first: Tensor, other: Tensor) -> float:
    """The cosine of two vectors; that of a vector with itself is 1, also where it is 0."""
    if torch.equal(first, other):
        return 1.0
    return float(torch.cosine_similarity(first.double(), other.double(), dim=0))


def _products(model: GPT, vectors: Tensor) -> Tensor:
    """Each vector times the head's row of each token: (n, V), without the head's bias."""
    logits: Tensor = model.lm_head(vectors)
    bias = getattr(model.lm_head, "bias", None)
    return logits.float() if bias is None else logits.float() - bias
