"""The text behind the targets, against the text itself."""

from gptcli.config.data import PrepareConfig
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.data.target_text import TextLength, target_text
from gptcli.tokenization.kinds import TokenizerSpec


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
