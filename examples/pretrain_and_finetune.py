"""Exercise 3 of Karpathy's lecture: does pre-training on a large text help with a small one?

    python examples/pretrain_and_finetune.py input.txt

A model is pre-trained on the source code of Python's standard library, some 20 times as long as
Tiny Shakespeare, then fine-tuned on ``input.txt`` in few steps at a tenth of the rate. A second
one has the same steps on ``input.txt`` from scratch. Both predict the same held-out tokens. Each
line of the table comes from one command, which is printed; what is written goes to the folder
``finetuned`` or the one that ``--folder`` names, and what is there is not made again.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from lecture_ladder import gptcli

MODEL = (
    "--family", "gpt2", "--n-layer", 4, "--n-head", 4, "--n-embd", 128,
    "--block-size", 128, "--batch-size", 16, "--dropout", 0.0,
)  # fmt: skip
LINE = "{:<34} {:>7} {:>11} {:>9}"


def made(folder: Path, name: str, *command: object) -> Path:
    """The directory of a dataset or a run in the folder, made by a command unless it is there."""
    directory = folder / name
    if not directory.exists():
        words = [str(word) for word in (*command, "--out", directory)]
        print("gptcli", *words, flush=True)
        gptcli(*words)
    return directory


def last_losses(run: Path) -> tuple[float, float]:
    """The losses on train and val at the last evaluation of a run."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    evaluated = [one for one in map(json.loads, lines) if "val_loss" in one]
    return evaluated[-1]["train_loss"], evaluated[-1]["val_loss"]


def trained(text: Path, folder: Path, pretraining: int, steps: int) -> dict[str, Path]:
    """The three runs, by what they are; the tokens are bytes, which every text is made of."""
    large = made(folder, "large", "prepare", "python", "--tokenizer", "byte")
    small = made(folder, "small", "prepare", text, "--tokenizer", large)
    few = ("--data", small, "--max-iters", steps, "--eval-interval", steps)
    first = made(
        folder, "pretrained", "train", "--data", large, "--max-iters", pretraining,
        "--eval-interval", max(1, pretraining // 2), "--eval-batches", 20, *MODEL,
    )  # fmt: skip
    return {
        "pre-trained": first,
        "fine-tuned": made(folder, "tuned", "train", "--init-from", first, *few),
        "from scratch": made(folder, "scratch", "train", *few, *MODEL),
    }


def compared(runs: dict[str, Path], data: Path) -> list[dict[str, Any]]:
    """The loss of each run on the held-out tokens of ``data``, and the difference to the first."""
    first, *others = (runs[name] for name in ("from scratch", "fine-tuned", "pre-trained"))
    more = [word for run in others for word in ("--compare", run)]
    document = json.loads(gptcli("eval", first, *more, "--data", data, "--json"))
    models: list[dict[str, Any]] = document["models"]
    return models


def answer(tuned: dict[str, Any]) -> str:
    """Whether pre-training has helped, in words; ``tuned`` has the difference to the other run."""
    if abs(tuned["difference"]) < 2 * tuned["standard_error"]:
        return "No difference that the held-out text could show."
    lower = "lower" if tuned["difference"] < 0 else "higher"
    verdict = "it helps" if tuned["difference"] < 0 else "it does not help"
    return (
        f"With pre-training the loss is {lower} by {abs(tuned['difference']):.3f} "
        f"(standard error {tuned['standard_error']:.3f}) after the same steps: {verdict}."
    )


def main(argv: list[str] | None = None) -> None:
    """Train, print the table and the answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path, help="Tiny Shakespeare, for the figures of the guide")
    parser.add_argument("--folder", type=Path, default=Path("finetuned"))
    parser.add_argument("--pretraining", type=int, default=5000, help="steps on the large text")
    parser.add_argument("--steps", type=int, default=500, help="steps on the text")
    asked = parser.parse_args(argv)
    if not asked.text.is_file():
        parser.error(f"there is no file {asked.text}")
    runs = trained(asked.text, asked.folder, asked.pretraining, asked.steps)
    scratch, tuned, untuned = compared(runs, asked.folder / "small")
    train, val = last_losses(runs["pre-trained"])
    print(f"\nPre-training: train loss {train:.3f}, val loss {val:.3f}, a gap of {val - train:.3f}")
    print(LINE.format(f"on {asked.text.name}", "loss", "difference", "error"))
    for name, one in (
        ("from scratch", scratch),
        ("pre-trained, then fine-tuned", tuned),
        ("pre-trained, not fine-tuned", untuned),
    ):
        shown = ["", ""]
        if one is not scratch:
            shown = [f"{one['difference']:+.4f}", f"{one['standard_error']:.4f}"]
        print(LINE.format(name, f"{one['loss']:.4f}", *shown))
    print(answer(tuned))


if __name__ == "__main__":
    main()
