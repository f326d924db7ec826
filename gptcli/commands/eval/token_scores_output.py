"""The scores of single tokens as lines of JSON, as arrays, or as a page."""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gptcli.commands.view.terminal import note
from gptcli.tokenization.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gptcli.commands.eval.subject import Subject
    from gptcli.commands.tokenize.output import Output
    from gptcli.evaluation.token_scores import TokenScores
    from gptcli.runtime.world import World

FORMATS = ("jsonl", "npz", "html")


def give_token_scores(subject: "Subject", world: "World", output: "Output") -> None:
    """Score every target; on a page those of the beginning."""
    from gptcli.commands.eval.surprise_page import MOST_TOKENS, surprise_page
    from gptcli.evaluation.token_scores import token_scores

    n_tokens = subject.tokens.n_tokens
    if output.form == "html":
        n_tokens = min(n_tokens, MOST_TOKENS)
    reading = subject.reading(n_tokens)
    with subject.walking(world, reading, min(n_tokens, subject.tokens.n_targets)) as walk:
        scores = token_scores(walk)
        if output.form == "html":
            output.deliver(surprise_page(subject, scores, n_tokens))
        elif output.form == "npz":
            assert output.out is not None, "arrays go to a file"
            _write_arrays(subject, list(scores), output.out)
        else:
            output.stream(_lines(subject, scores))


def _lines(subject: "Subject", scores: "Iterable[TokenScores]") -> Iterator[str]:
    book = Vocabulary(subject.loaded.tokenizer)
    for part in scores:
        yield "".join(_line(book, part, row) for row in range(len(part.ids)))


def _line(book: Vocabulary, part: "TokenScores", row: int) -> str:
    loss = float(part.losses[row])
    ids, shares = part.top_ids[row].tolist(), part.top_probabilities[row].tolist()
    document = {
        "place": int(part.places[row]),
        "id": int(part.ids[row]),
        "text": _text(book, int(part.ids[row])),
        "loss": loss,
        "probability": math.exp(-loss),
        "rank": int(part.ranks[row]),
        "top": [
            {"id": number, "text": _text(book, number), "probability": share}
            for number, share in zip(ids, shares, strict=True)
        ],
    }
    return json.dumps(document) + "\n"


def _text(book: Vocabulary, number: int) -> str | None:
    """Published models have more outputs than their tokenizers have tokens."""
    return book.entry(number).text if number < len(book) else None


def _write_arrays(subject: "Subject", parts: "list[TokenScores]", path: Path) -> None:
    import numpy as np

    from gptcli.runtime.files import replace_file, reported

    arrays = {
        "place": np.concatenate([part.places for part in parts]),
        "id": np.concatenate([part.ids for part in parts]),
        "loss": np.concatenate([part.losses for part in parts]),
        "rank": np.concatenate([part.ranks for part in parts]),
        "top_id": np.concatenate([part.top_ids for part in parts]),
        "top_probability": np.concatenate([part.top_probabilities for part in parts]),
        "context": np.array(subject.context),
        "stride": np.array(subject.stride),
    }

    def write(temporary: Path) -> None:
        with temporary.open("xb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, write)
    note(f"wrote {path}")
