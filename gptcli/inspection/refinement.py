"""How one token's vector is refined, layer by layer, and what every head adds to it.

T tokens, H heads, C = n_embd, V = vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gptcli.inspection.capture import Recording, attention_modules
from gptcli.inspection.heads import Head
from gptcli.inspection.vectors import Vectors, output_matrices
from gptcli.model.gpt import GPT


@dataclass(frozen=True)
class RefinedVector:
    """The vector of a token (C,) behind one of the steps of the model."""

    step: str
    vector: Tensor


@dataclass(frozen=True)
class HeadUpdate:
    """What a head adds to the vector of a token: (C,)."""

    head: Head
    vector: Tensor


@dataclass(frozen=True)
class Refinement:
    """The way of one token through the model.

    Attributes:
        place: the token's place in the text.
        steps: its vector as it is in the table, with its position, and behind the attention and
            the MLP of each layer.
        updates: what each head adds, in the order of the model.

    """

    place: int
    steps: tuple[RefinedVector, ...]
    updates: tuple[HeadUpdate, ...]

    @property
    def vectors(self) -> Tensor:
        """The vectors of all steps, one above the other: (n, C)."""
        return torch.stack([one.vector for one in self.steps])

    @property
    def final(self) -> Tensor:
        """The vector that the final norm receives, (C,)."""
        return self.steps[-1].vector


@torch.inference_mode()
def refine(model: GPT, recording: Recording, place: int) -> Refinement:
    """The vector of the token at ``place`` at every step, in float32 on the CPU."""
    steps = [
        RefinedVector("token", model.token_embedding(recording.ids[place])),
        RefinedVector("with position", recording.streams[0][place]),
    ]
    updates = list[HeadUpdate]()
    triples = zip(attention_modules(model), recording.layers, recording.streams[1:], strict=True)
    for number, (attention, layer, left) in enumerate(triples):
        gathered = layer.written[place]
        behind = gathered if layer.stream is None else layer.stream[place] + gathered
        steps.append(RefinedVector(f"L{number} attention", behind))
        if model.config.inner_size:
            steps.append(RefinedVector(f"L{number} MLP", left[place]))
        vectors = Vectors.of(attention, layer)
        mixed = vectors.mixed(vectors.weights(slice(place, place + 1)))  # (H, 1, D)
        written = (mixed @ output_matrices(attention))[:, 0].cpu()  # (H, C)
        updates += [HeadUpdate(Head(number, index), one) for index, one in enumerate(written)]
    kept = (RefinedVector(one.step, one.vector.float().cpu()) for one in steps)
    return Refinement(place, tuple(kept), tuple(updates))


def read_updates(model: GPT, refinement: Refinement, updates: Sequence[HeadUpdate]) -> Tensor:
    """The updates as the model's head receives them: (n, C)."""
    vectors = torch.stack([update.vector for update in updates])
    return through_final_norm(model, vectors, refinement.final)


@torch.inference_mode()
def through_final_norm(model: GPT, updates: Tensor, final: Tensor) -> Tensor:
    """What parts (n, C) of the final stream (C,) become in the final norm of the whole.

    The norm divides by a number that depends on the whole stream: that one is kept, so that what
    the parts become adds up to what the stream does (but for the bias of a LayerNorm).
    """
    norm = model.final_norm
    if isinstance(norm, nn.LayerNorm):
        updates = updates - updates.mean(dim=-1, keepdim=True)
        final = final - final.mean()
    if isinstance(norm, nn.Identity):
        return updates
    assert isinstance(norm, nn.LayerNorm | nn.RMSNorm), norm
    epsilon = torch.finfo(final.dtype).eps if norm.eps is None else norm.eps
    parts = updates * (final.square().mean() + epsilon).rsqrt()
    return parts if norm.weight is None else parts * norm.weight.detach().float().to(parts.device)
