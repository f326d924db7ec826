"""Every rung of Karpathy's lecture "Let's build GPT", trained and set beside its figures.

    python examples/lecture_ladder.py input.txt

Each rung is one command, ``gptcli train --preset lecture-...``, with the lecture's settings. All
of them take some two minutes on two CPU cores, plus six starts of Python. What is written goes
to the folder ``ladder`` or the one that ``--folder`` names. Below the rungs stands what counting
n-grams of characters reaches (ngram_yardstick.py): the yardstick for every model of this text.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from ngram_yardstick import losses as ngram_losses

# What the lecture reads off for the validation loss of each.
RUNGS = {
    "bigram": 2.5,
    "head": 2.4,
    "multihead": 2.28,
    "feedforward": 2.24,
    "residual": 2.08,
    "layernorm": 2.06,
}
LINE = "{:<12} {:>10} {:>10} {:>8}"


def gptcli(*arguments: object) -> str:
    """Run the command of that name here, its notes shown; returns what it printed."""
    command = [sys.executable, "-m", "gptcli", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def climb(text: str, folder: Path, max_iters: int | None) -> dict[str, float]:
    """Train all rungs on ``text``; returns the best validation loss of each."""
    data, shorter = folder / "data", [] if max_iters is None else ["--max-iters", max_iters]
    gptcli("prepare", text, "--tokenizer", "char", "--out", data)
    losses = {}
    for rung in RUNGS:
        flags = ["--preset", f"lecture-{rung}", "--data", data, "--out", folder / rung]
        losses[rung] = json.loads(gptcli("train", *flags, *shorter, "--json"))["best_loss"]
    return losses


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="Tiny Shakespeare, for the lecture's figures")
    parser.add_argument("--folder", type=Path, default=Path("ladder"))
    parser.add_argument("--max-iters", type=int, help="fewer, to try it out")
    asked = parser.parse_args()
    losses = climb(asked.text, asked.folder, asked.max_iters)
    print(LINE.format("rung", "here", "lecture", ""))
    for rung, lecture in RUNGS.items():
        print(LINE.format(rung, f"{losses[rung]:.3f}", lecture, f"{losses[rung] - lecture:+.3f}"))
    for order, loss in ngram_losses(Path(asked.text).read_text(encoding="utf-8")).items():
        print(LINE.format(f"{order}-gram", f"{loss:.3f}", "", ""))


if __name__ == "__main__":
    main()
