"""Exercise 2 of Karpathy's lecture: a GPT that adds, with answers as they are and reversed.

    python examples/addition.py

Trains with ``gptcli train`` and nothing said but the time, for sums of one to four digits, and
prints how many of the held-out problems each model answers without a mistake. What is written
goes to the folder ``addition`` or the one that ``--folder`` names; what is there is kept.
"""

import argparse
import json
from pathlib import Path

from lecture_ladder import gptcli
from pretrain_and_finetune import made

LINE = "{:>6}  {:<8} {:>12} {:>10} {:>8}"


def solved(folder: Path, digits: int, is_reversed: bool, *length: object) -> dict[str, int]:
    """Train on sums of so many digits; returns the held-out problems and those solved."""
    name = f"{digits}-reversed" if is_reversed else f"{digits}-plain"
    order = ["--reverse"] if is_reversed else []
    data = made(folder, f"{name}-data", "prepare", "addition", "--digits", digits, *order)
    run = made(folder, name, "train", "--data", data, *length)
    found: dict[str, int] = json.loads(gptcli("eval", run, "--json"))["exact_match"]["all"]
    steps = json.loads((run / "train.json").read_text(encoding="utf-8"))["training"]["max_iters"]
    return {**found, "steps": steps}


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("addition"))
    parser.add_argument("--digits", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--minutes", type=float, default=10, help="of training, for each")
    parser.add_argument("--max-iters", type=int, help="steps instead of a time")
    asked = parser.parse_args(argv)
    length = ["--time-budget", f"{asked.minutes}m"]
    if asked.max_iters is not None:
        length = ["--max-iters", str(asked.max_iters)]
    rows = []
    for digits in asked.digits:
        for is_reversed in (False, True):
            found = solved(asked.folder, digits, is_reversed, *length)
            order = "reversed" if is_reversed else "plain"
            shares = f"{found['correct'] / found['problems']:.2%}"
            rows.append((digits, order, found["problems"], found["steps"], shares))
    print(LINE.format("digits", "answers", "held out", "steps", "solved"))
    for digits, order, problems, steps, share in rows:
        print(LINE.format(digits, order, f"{problems:,}", f"{steps:,}", share))


if __name__ == "__main__":
    main()
