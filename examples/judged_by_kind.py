"""What a reward model of from_gpt_to_chatgpt.sh tells apart: style, or what is right.

    python examples/judged_by_kind.py runs/reward data/preferences

Held-out pairs are counted by what is wrong with their worse answer: its form (a short answer where
a sentence is wanted), its content (another word or number), or both.
"""

import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from gptcli.data.dataset import Dataset
from gptcli.data.questions import Pairs, pairs_of
from gptcli.data.token_split import TokenSplit
from gptcli.evaluation.pair_rewards import PairFigures, pair_rewards
from gptcli.evaluation.scoring import answer_scores
from gptcli.generation.loaded_model import load_model
from gptcli.runtime.device import choose_device

IS_WRONG = {(True, False): "form", (False, True): "content", (True, True): "form and content"}


def kinds(split: TokenSplit, pairs: Pairs, decode: Callable[[list[int]], str]) -> list[str]:
    """What is wrong with the worse answer of each pair."""
    found = []
    places = zip(pairs.chosen.tolist(), pairs.rejected.tolist(), pairs.ends.tolist(), strict=True)
    for chosen, rejected, end in places:
        spans = (chosen, rejected - chosen), (rejected, end - rejected)
        better, worse = (_words(decode(split.read(*one).tolist()[:-1])) for one in spans)
        found.append(IS_WRONG[len(worse) < len(better), worse[-1] != better[-1]])
    return found


def _words(answer: str) -> list[str]:
    return answer.rstrip(".").split()


def main(directory: str, data: str) -> None:
    """Print the share of each kind that the reward model puts in order."""
    loaded = load_model(Path(directory), choose_device("auto").value)
    split = Dataset.open(Path(data)).val
    pairs = pairs_of(split).fitting(loaded.model.config.block_size)
    with torch.inference_mode():
        rewards = pair_rewards(lambda rows: answer_scores(loaded.model, rows), split, pairs)
    places = defaultdict(list)
    for place, kind in enumerate(kinds(split, pairs, loaded.tokenizer.decode)):
        places[kind].append(place)
    print(f"{'what is wrong':<18}{'pairs':>8}{'chosen wins':>14}")
    for kind in IS_WRONG.values():
        own = rewards[np.array(places[kind], dtype=int)]
        print(f"{kind:<18}{len(own):>8,}{PairFigures.of(own).accuracy:>14.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
