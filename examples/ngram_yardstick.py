"""What counting reaches: n-gram models of a text's characters, beside which a GPT has to stand.

    python examples/ngram_yardstick.py input.txt

The counts are those by which ``--ngram-teacher`` teaches (interpolated modified Kneser-Ney, in
gptcli/training/ngram_counts.py), of the first 90% of the text. They are measured on the rest in
windows of 256 characters that do not overlap, where no context reaches back beyond the start of
its window: as a GPT with a context of 256 is evaluated.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gptcli.training.ngram_counts import NgramCounts

ORDERS = range(2, 9)
WINDOW = 256


def losses(text: str, orders: Iterable[int] = ORDERS) -> dict[int, float]:
    """The mean loss in nats per character over the last tenth of a text, by order."""
    characters = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    vocabulary, inverse = np.unique(characters, return_inverse=True)
    ids = inverse.astype(np.int64)
    train, val = np.split(ids, [int(0.9 * len(ids))])
    # A window's first character is seen, the others are to be predicted.
    windows = [val[start : start + WINDOW + 1] for start in range(0, len(val) - 1, WINDOW)]
    found = {}
    for order in orders:
        counts = NgramCounts([train], len(vocabulary), order)
        if counts.order == order:  # a large vocabulary has no n-grams of this length
            likelihoods = [
                counts.distributions(window)[np.arange(1, len(window)), window[1:]]
                for window in windows
            ]
            found[order] = float(-np.log(np.concatenate(likelihoods), dtype=np.float64).mean())
    return found


def main() -> None:
    """Print a row for each order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="Tiny Shakespeare, for the figures of README.md")
    text = Path(parser.parse_args().text).read_text(encoding="utf-8")
    print("| order | val loss |")
    print("|---|---|")
    for order, loss in losses(text).items():
        print(f"| {order} | {loss:.4f} |")


if __name__ == "__main__":
    main()
