"""A tokenizer that loses text is refused, or what it loses is said and recorded."""

import json

import pytest

from gptcli.config.data import PrepareConfig
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.data.preparation.sharing import WorkShare, encode_share, merge, plan_preparation
from gptcli.errors import DataError
from gptcli.runtime.progress import Unwatched
from gptcli.tokenization.kinds import TokenizerSpec
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer

SEEN = "abcdefghij klmnop"


class Notes(Unwatched):
    def __init__(self):
        self.told = []

    def note(self, message):
        self.told.append(message)


@pytest.fixture
def source(tmp_path):
    def write(text: str) -> str:
        (tmp_path / "a.txt").write_text(text)
        return str(tmp_path / "a.txt")

    return write


def foreign() -> Tokenizer:
    """One that drops what it has no token for."""
    vocabulary = {letter: number for number, letter in enumerate(SEEN)}
    content = json.loads(character_tokenizer("a").to_json())
    content["pre_tokenizer"] = None
    content["model"] = {"type": "BPE", "vocab": vocabulary, "merges": []}
    return Tokenizer.from_json(json.dumps(content))


def lost_of(dataset):
    return [split.lost for split in dataset.record.splits.values()]


def test_a_foreign_tokenizer_that_loses_much_is_refused(source, tmp_path):
    request = Preparation([source((SEEN + "漢") * 100)], foreign())
    with pytest.raises(DataError, match=r"loses 100 of 1,800 characters \(5\.56%\).*have no token"):
        prepare(request, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_it_goes_on_where_that_is_allowed(source, tmp_path):
    allowed = PrepareConfig(allow_unknown=True)
    watch = Notes()
    dataset = prepare(
        Preparation([source((SEEN + "漢") * 100)], foreign(), config=allowed),
        tmp_path / "set",
        watch=watch,
    )
    assert lost_of(dataset) == [90, 10]
    assert any("100 have no token ('漢')" in told for told in watch.told)


def test_a_loss_beyond_what_is_tried_first_is_refused_too(source, tmp_path):
    request = Preparation([source(SEEN * 40_000 + "漢" * 2_000)], foreign())
    with pytest.raises(DataError, match="loses 2,000 of 682,000 characters"):
        prepare(request, tmp_path / "set")


def test_little_is_recorded_and_said(source, tmp_path):
    watch = Notes()
    text = source("漢" + SEEN * 100)
    dataset = prepare(Preparation([text], foreign()), tmp_path / "set", watch=watch)
    assert lost_of(dataset) == [1, 0]
    assert any("1 of 1,701 characters (0.06%)" in told for told in watch.told)


def test_what_is_trained_here_is_never_refused(source, tmp_path):
    text = source("one two three four five " * 50)
    words = TokenizerSpec("word", 5)
    dataset = prepare(Preparation([text], words), tmp_path / "set")
    assert sum(lost_of(dataset)) > 200
    again = prepare(Preparation([text], dataset.tokenizer), tmp_path / "again")
    assert lost_of(again) == lost_of(dataset)


def test_nothing_lost_is_recorded_as_none(source, tmp_path):
    assert lost_of(prepare(Preparation([source("abc" * 30)]), tmp_path / "set")) == [0, 0]


def test_shards_count_as_one_process_does(source, tmp_path):
    allowed = PrepareConfig(allow_unknown=True)
    request = Preparation([source((SEEN + "漢") * 100)], foreign(), config=allowed)
    with pytest.raises(DataError, match="loses 100 of 1,800"):
        plan_preparation(Preparation(request.sources, foreign()), tmp_path / "big")
    plan_preparation(request, tmp_path / "big")
    encode_share(tmp_path / "big", WorkShare(0, 1))
    assert lost_of(merge(tmp_path / "big")) == [90, 10]
