"""Prompts with completions: the mask has a 1 where the loss counts."""

import numpy as np
import pytest

from gptcli.config.data import ArithmeticOptions
from gptcli.errors import DataError
from gptcli.tokenization.kinds import TokenizerSpec


def read_masks(dataset, split):
    files = sorted((dataset.directory / split).glob("*.mask"))
    return np.concatenate([np.fromfile(file, np.uint8) for file in files])


def read_starts(dataset, split):
    return np.fromfile(dataset.directory / split / "documents.bin", "<u8")


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"shard_tokens": 7}])
def test_completions_and_their_ends_count(build, records, tokens, options):
    pairs = [(f"what is {n}? ", f"it is {n * n}.") for n in range(50)]
    source = records("qa.jsonl", [{"prompt": p, "completion": c} for p, c in pairs])
    dataset = build("x", [source], val_fraction=0, **options)
    ids, mask, starts = (
        tokens(dataset, "train"),
        read_masks(dataset, "train"),
        read_starts(dataset, "train"),
    )
    assert len(ids) == len(mask)
    found = {}
    for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        counts = mask[start:end].astype(bool)
        text, end_token = ids[start : end - 1], ids[end - 1]
        assert end_token == dataset.tokenizer.end_of_text
        assert counts[-1]
        prompt = dataset.tokenizer.decode(text[~counts[:-1]])
        found[prompt] = dataset.tokenizer.decode(text[counts[:-1]])
    assert found == dict(pairs)
    assert dataset.record.splits["train"].targets == int(mask.sum())


def test_plain_text_beside_completions_counts_whole(build, records, write):
    source = records("qa.jsonl", [{"prompt": "q", "completion": "a"}])
    dataset = build("x", [source, write("plain.txt", "plain")], val_fraction=0)
    assert read_masks(dataset, "train").tolist() == [0, 1, 1] + [1] * 6


def test_arithmetic_is_masked_and_right(build, tokens):
    dataset = build(
        "x", ["addition"], arithmetic=ArithmeticOptions(digits=2, reverse=True, count=500)
    )
    problems = {}
    for split in ("train", "val"):
        ids, mask = tokens(dataset, split), read_masks(dataset, split)
        end = dataset.tokenizer.end_of_text
        text = "".join("|" if n == end else dataset.tokenizer.decode([n]) for n in ids)
        problems[split] = text.strip("|").split("|")
        shown = "".join(c if m else " " for c, m in zip(text, mask, strict=True))
        assert all("=" not in part for part in shown.split())
    for problem in problems["train"] + problems["val"]:
        question, answer = problem.split("=")
        a, b = map(int, question.split("+"))
        assert int(answer[::-1]) == a + b
    unordered = {
        split: {tuple(sorted(p.split("=")[0].split("+"))) for p in found}
        for split, found in problems.items()
    }
    assert not unordered["train"] & unordered["val"]
    assert len(unordered["train"] | unordered["val"]) == 500


def test_trained_vocabulary_sees_prompts_too(build, records):
    source = records("qa.jsonl", [{"prompt": "zzzz ", "completion": "a"}] * 20)
    dataset = build("x", [source], val_fraction=0, tokenizer=TokenizerSpec("bpe", 270))
    assert len(dataset.tokenizer.encode("zzzz")) == 1


def test_chats_without_an_answer_teach_nothing(build, records):
    said = {"role": "assistant", "content": "so", "weight": 0}
    chats = [{"messages": [{"role": "user", "content": f"question {n}"}, said]} for n in range(120)]
    with pytest.raises(DataError, match=r"train part.*no record there has an answer"):
        build("x", [records("a.jsonl", chats)])
