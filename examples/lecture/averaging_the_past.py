"""Chapter 3, averaging the past: four versions, of which the last is self-attention.

    python examples/lecture/averaging_the_past.py

A position may learn from itself and what came before it. The simplest way is a mean; attention is
a mean whose weights depend on the data. B rows, T positions, C channels, D = head size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def version_1(x: Tensor) -> Tensor:
    """Take the mean of each position and its past in a double loop: (B, T, C) -> (B, T, C)."""
    means = torch.zeros_like(x)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            means[b, t] = x[b, : t + 1].mean(dim=0)
    return means


def version_2(x: Tensor) -> Tensor:
    """The same as one matrix product: row t of the matrix holds 1 / (t + 1) up to place t."""
    wei = torch.tril(torch.ones(x.shape[1], x.shape[1]))
    wei = wei / wei.sum(dim=1, keepdim=True)
    return wei @ x  # (T, T) @ (B, T, C): the matrix is used for every row of the batch


def version_3(x: Tensor) -> Tensor:
    """The same by softmax: equal scores get equal shares, and a score of -inf gets none."""
    return F.softmax(masked(torch.zeros(x.shape[1], x.shape[1])), dim=-1) @ x


def masked(scores: Tensor) -> Tensor:
    """Scores (..., T, T) with -inf above the diagonal: the future is not to be seen."""
    past = torch.tril(torch.ones(scores.shape[-2:]))
    return scores.masked_fill(past == 0, float("-inf"))


class Version4(nn.Module):
    """One head of self-attention: the scores are no longer zeros, the data decide on them."""

    def __init__(self, C: int, D: int) -> None:
        super().__init__()
        self.key = nn.Linear(C, D, bias=False)  # what do I contain?
        self.query = nn.Linear(C, D, bias=False)  # what am I looking for?
        self.value = nn.Linear(C, D, bias=False)  # what do I communicate?

    def weights(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, T): how much each position takes from each of its past."""
        scores = self.query(x) @ self.key(x).transpose(-2, -1)
        return F.softmax(masked(scores), dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, D)."""
        return self.weights(x) @ self.value(x)


def show(title: str, matrix: Tensor) -> None:
    """Print a matrix with four decimals under its title, with aligned columns."""
    print(title)
    for row in matrix.tolist():
        print("  " + " ".join(f"{number:8.4f}" for number in row))


def show_toy_product() -> None:
    """A matrix product with ones sums, with a triangle sums the past, normalised averages it."""
    torch.manual_seed(42)
    ones = torch.ones(3, 3)
    triangle = torch.tril(ones)
    b = torch.randint(0, 10, (3, 2)).float()
    show("b:", b)
    show("ones @ b: every row is the sum of all rows", ones @ b)
    show("tril(ones) @ b: row t is the sum of rows 0 to t", triangle @ b)
    show("normalised @ b: row t is their mean", triangle / triangle.sum(1, keepdim=True) @ b)


def main() -> None:
    """Print the toy product, the four versions and their weights."""
    show_toy_product()
    torch.manual_seed(1337)
    x = torch.randn(4, 8, 2)
    print(f"\nx: {tuple(x.shape)}")
    show("x[0]:", x[0])
    versions = [version_1(x), version_2(x), version_3(x)]
    show("the first row of the batch, averaged by versions 1, 2 and 3, side by side:",
         torch.cat([version[0] for version in versions], dim=-1))  # fmt: skip
    same = all(torch.allclose(version, versions[0], atol=1e-6) for version in versions)
    print(f"equal: {same}")

    zeros = torch.zeros(8, 8)
    show("version 3 begins with zeros, -inf where the future is:", masked(zeros))
    show("and softmax makes every row sum to 1:", F.softmax(masked(zeros), dim=-1))

    torch.manual_seed(1337)
    x = torch.randn(4, 8, 32)
    head = Version4(C=32, D=16)
    with torch.no_grad():
        show("version 4, wei[0]: each row has its own weights now", head.weights(x)[0])
        print(f"wei @ x would mix the private x:   {tuple((head.weights(x) @ x).shape)}")
        print(f"wei @ v mixes what is communicated: {tuple(head(x).shape)}")
        head.query.weight.zero_()
        silent = torch.allclose(head(x), version_3(head.value(x)), atol=1e-6)
    print(f"with queries of zero, version 4 is version 3 of the values: {silent}")


if __name__ == "__main__":
    main()
