"""Every rung of Karpathy's lecture "Let's build GPT", trained and set beside its figures.

    python examples/lecture_ladder.py input.txt

Each rung is one command, ``gptcli train --preset lecture-...``, with the lecture's settings. All
of them take some two minutes on two CPU cores, plus six starts of Python. What is written goes
to the folder ``ladder`` or the one that ``--folder`` names; the same command goes on where it was
stopped. Below the rungs stands what counting n-grams of characters reaches (ngram_yardstick.py):
the yardstick for every model of this text.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

from ngram_yardstick import losses as ngram_losses

from gptcli.families.registry import find_preset

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
    """Run the command of that name here, its notes shown; returns what it printed.

    Where it fails or is stopped, its exit code becomes ours: it has said why.
    """
    command = [sys.executable, "-m", "gptcli", *map(str, arguments)]
    printed = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.returncode is None:
            try:
                printed, _ = process.communicate()
            except KeyboardInterrupt:
                continue  # Ctrl-C reaches the command as well: wait until it has saved its run
    if process.returncode:
        print("the same command goes on from here; --folder NEW begins anew", file=sys.stderr)
        raise SystemExit(process.returncode)
    return printed


def prepared(text: Path, folder: Path) -> Path:
    """The dataset of a text in the folder, made unless it is there."""
    data = folder / "data"
    if not data.exists():
        gptcli("prepare", text, "--tokenizer", "char", "--out", data)
    kept = json.loads((data / "dataset.json").read_text(encoding="utf-8"))["source"]
    if kept["sha256"] != hashlib.sha256(text.read_bytes()).hexdigest():
        raise SystemExit(f"{data} was made from another text than {text}: --folder NEW begins anew")
    return data


def climb(text: Path, folder: Path, max_iters: int | None) -> dict[str, float]:
    """Train what is missing of each rung; returns the best validation loss of each."""
    data, losses = prepared(text, folder), {}
    for rung in RUNGS:
        preset, run = f"lecture-{rung}", folder / rung
        steps = ["--max-iters", max_iters or find_preset(preset).training["max_iters"], "--json"]
        begin_or_go_on = ["--preset", preset, "--data", data, "--out", run]
        if run.exists():
            begin_or_go_on = ["--resume", run]
        losses[rung] = json.loads(gptcli("train", *begin_or_go_on, *steps))["best_loss"]
    return losses


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path, help="Tiny Shakespeare, for the lecture's figures")
    parser.add_argument("--folder", type=Path, default=Path("ladder"))
    parser.add_argument("--max-iters", type=int, help="fewer, to try it out")
    asked = parser.parse_args(argv)
    if not asked.text.is_file():
        parser.error(f"there is no file {asked.text}")
    losses = climb(asked.text, asked.folder, asked.max_iters)
    print(LINE.format("rung", "here", "lecture", ""))
    for rung, lecture in RUNGS.items():
        print(LINE.format(rung, f"{losses[rung]:.3f}", lecture, f"{losses[rung] - lecture:+.3f}"))
    for order, loss in ngram_losses(asked.text.read_text(encoding="utf-8")).items():
        print(LINE.format(f"{order}-gram", f"{loss:.3f}", "", ""))


if __name__ == "__main__":
    main()
