"""Chapter 4, the notes on attention: each is shown with numbers.

    python examples/lecture/notes_on_attention.py

B rows, T positions (S of another source), C channels, D = head size.
"""

import torch
import torch.nn.functional as F
from averaging_the_past import Version4, masked, show
from torch import Tensor


def edges(wei: Tensor, names: list[str], at_least: float = 0.0) -> list[str]:
    """The graph of an attention pattern (T, T): an arrow from each position to what it reads."""
    return [
        f"{names[t]} <-- {names[s]}  {wei[t, s]:.4f}"
        for t in range(len(wei))
        for s in range(wei.shape[1])
        if wei[t, s] > at_least
    ]


def pattern(q: Tensor, k: Tensor, causal: bool) -> Tensor:
    """How much each query (B, T, D) takes from each key (B, S, D): (B, T, S)."""
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    if causal:  # a decoder; an encoder leaves out this line
        scores = masked(scores)
    return F.softmax(scores, dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """What the queries gather: (B, T, D)."""
    return pattern(q, k, causal) @ v


def note_1_a_directed_graph(x: Tensor, head: Version4) -> None:
    """Positions are nodes; each gathers from those that point to it, by weights from the data."""
    print("note 1: attention is communication on a directed graph (4 nodes, itself and the past)")
    print("\n".join("  " + edge for edge in edges(head.weights(x)[0, :4, :4], list("abcd"))))


def note_2_no_notion_of_space(x: Tensor, head: Version4) -> None:
    """Attention over all positions is a map of sets; so positions have to be added to the input."""
    order = torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    straight = attend(head.query(x), head.key(x), head.value(x), causal=False)
    shuffled = x[:, order]
    permuted = attend(head.query(shuffled), head.key(shuffled), head.value(shuffled), causal=False)
    print("\nnote 2: attention has no notion of space")
    same = torch.allclose(permuted, straight[:, order], atol=1e-5)
    print(f"  permuted inputs give the permuted outputs:             {same}")
    places = torch.randn(x.shape[1:])  # one vector for each position
    there, moved = x + places, shuffled + places
    a = attend(head.query(there), head.key(there), head.value(there), causal=False)
    b = attend(head.query(moved), head.key(moved), head.value(moved), causal=False)
    same = torch.allclose(b, a[:, order], atol=1e-5)
    print(f"  still so when positions are added to the inputs:       {same}")


def note_3_no_communication_across_the_batch(x: Tensor, head: Version4) -> None:
    """Rows of a batch are separate texts that are computed side by side."""
    changed = x.clone()
    changed[0] = 0.0
    moved = (head(changed) - head(x)).abs().amax(dim=(1, 2))
    print("\nnote 3: row 0 of the batch is changed; the outputs of rows 0 to 3 change by at most")
    print("  " + "  ".join(f"{number:.4f}" for number in moved.tolist()))


def note_4_encoder_and_decoder(x: Tensor, head: Version4) -> None:
    """An encoder's block is a decoder's with the mask line deleted."""
    q, k = head.query(x[:, :4]), head.key(x[:, :4])
    print("\nnote 4: the line with the mask makes a decoder; without it this is an encoder")
    show("  decoder, weights of 4 positions:", pattern(q, k, causal=True)[0])
    show("  encoder, the same scores:", pattern(q, k, causal=False)[0])


def note_5_cross_attention(x: Tensor, head: Version4) -> None:
    """Queries come from x, keys and values from another source of another length."""
    source = torch.randn(4, 5, 32)
    q, k, v = head.query(x), head.key(source), head.value(source)
    weights, out = pattern(q, k, causal=False), attend(q, k, v, causal=False)
    print("\nnote 5: cross-attention reads another source")
    print(f"  x {tuple(x.shape)}, source {tuple(source.shape)}")
    print(f"  weights {tuple(weights.shape)}, out {tuple(out.shape)}")


def note_6_scaled(k: Tensor, q: Tensor) -> None:
    """Why scores are divided by sqrt(D): a sum of D products has D times the variance."""
    D = k.shape[-1]
    scores = q @ k.transpose(-2, -1)
    scaled = scores * D**-0.5
    print("\nnote 6: scaled attention")
    print(f"  variance of k {k.var():.4f}, of q {q.var():.4f}")
    print(f"  variance of q @ k {scores.var():.4f}, times 1/sqrt({D}) {scaled.var():.4f}")
    many = torch.randn(2000, 8, D) @ torch.randn(2000, D, 8)
    print(f"  of 128,000 scores: {many.var():.2f} and {(many * D**-0.5).var():.2f}")
    scores = torch.tensor([0.1, -0.2, 0.3, -0.2, 0.5])
    show("  softmax of 0.1 -0.2 0.3 -0.2 0.5, and of 8 times that: large scores choose only one",
         torch.stack([F.softmax(scores, dim=-1), F.softmax(8 * scores, dim=-1)]))  # fmt: skip


def without_trainable_weights() -> None:
    """Self-attention in its simplest form: vectors meet themselves, softmax(x x^T) x."""
    words = ["Your", "journey", "starts", "with", "one", "step"]
    x = torch.tensor(
        [[0.43, 0.15, 0.89], [0.55, 0.87, 0.66], [0.57, 0.85, 0.64],
         [0.22, 0.58, 0.33], [0.77, 0.25, 0.10], [0.05, 0.80, 0.55]]
    )  # fmt: skip
    wei = F.softmax(x @ x.T, dim=-1)
    print("\nself-attention without trainable weights: what 'journey' takes from each word")
    print("\n".join("  " + edge for edge in edges(wei, words)[6:12]))
    show("its context vector:", (wei @ x)[1:2])


@torch.no_grad()
def main() -> None:
    """Print all notes."""
    torch.manual_seed(1337)
    x = torch.randn(4, 8, 32)
    head = Version4(C=32, D=16)
    k, q = torch.randn(4, 8, 16), torch.randn(4, 8, 16)  # for note 6, drawn where the lecture does
    note_1_a_directed_graph(x, head)
    note_2_no_notion_of_space(x, head)
    note_3_no_communication_across_the_batch(x, head)
    note_4_encoder_and_decoder(x, head)
    note_5_cross_attention(x, head)
    note_6_scaled(k, q)
    without_trainable_weights()


if __name__ == "__main__":
    main()
