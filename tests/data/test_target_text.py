"""The text behind the targets, against the text itself."""

import json

from gptcli.config.data import PrepareConfig
from gptcli.data.dataset import Dataset
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.data.source_text import SourceText
from gptcli.data.target_text import TextLength, lost_share, target_text
from gptcli.data.text_tokens import TextTokens
from gptcli.tokenization.kinds import TokenizerSpec
from gptcli.tokenization.trainer import character_tokenizer


def test_bytes_leave_a_character_that_the_first_token_begins(tmp_path) -> None:
    (tmp_path / "text.txt").write_text("é" + "grün und blau " * 50, encoding="utf-8")
    request = Preparation(
        [str(tmp_path / "text.txt")], TokenizerSpec("byte"), config=PrepareConfig(val_fraction=0.0)
    )
    dataset = prepare(request, tmp_path / "set")
    whole = (tmp_path / "text.txt").read_text(encoding="utf-8")
    size = target_text(dataset.train, dataset.tokenizer)
    assert size == TextLength(len(whole.encode()) - 1, len(whole) - 1)


def test_masked_targets_are_those_of_the_completions(masked_dataset) -> None:
    pairs = [("für=", "grün"), ("a=", "ß\n")]
    dataset = masked_dataset(pairs)
    answers = "".join(answer for _, answer in pairs)
    assert target_text(dataset.train, dataset.tokenizer) == TextLength(
        len(answers.encode()), len(answers)
    )


def test_share_of_lost_text_is_counted_and_estimated_for_earlier_datasets(tmp_path) -> None:
    (tmp_path / "text.txt").write_text("one two three four five " * 50, encoding="utf-8")
    config = PrepareConfig(val_fraction=0.0)
    request = Preparation([str(tmp_path / "text.txt")], TokenizerSpec("word", 5), config=config)
    dataset = prepare(request, tmp_path / "set")
    words, unknown = (
        ["one", "two", "three", "four", "five"],
        dataset.tokenizer.inner.token_to_id("<unk>"),
    )
    lost = sum(len(word) for word in words if unknown in dataset.tokenizer.encode(word))
    assert lost
    assert lost_share(dataset.train, dataset.tokenizer) == lost / len("one two three four five ")
    record = json.loads((dataset.directory / "dataset.json").read_text())
    for split in record["splits"].values():
        del split["lost"]
    (dataset.directory / "dataset.json").write_text(json.dumps(record))
    earlier = Dataset.open(dataset.directory)
    assert earlier.train.n_lost is None
    assert lost_share(earlier.train, earlier.tokenizer) == lost / len("one two three four five ")


def test_share_of_a_text_in_memory() -> None:
    tokenizer = character_tokenizer("abc", unk=True)
    tokens = TextTokens.of(SourceText("text", "abcd" * 5), tokenizer)
    assert lost_share(tokens, tokenizer) == 0.25
