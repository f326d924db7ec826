import pytest
import torch

from gptcli.errors import UsageError
from gptcli.inspection.capture import record
from gptcli.inspection.heads import Head
from gptcli.inspection.patterns import head_patterns
from gptcli.inspection.token_row import TokenRow, common_word, find_token, token_row

WORDS = ["a", " fluffy", " blue", " crea", "ture", " a", "2"]


@pytest.mark.parametrize(
    ("wanted", "place"),
    [("creature", 4), ("crea", 3), ("fluffy", 1), ("a", 5), ("3", 3), ("a fluffy", 1), ("2", 2)],
)
def test_a_token_is_found_by_number_or_as_the_last_of_the_last_such_text(wanted, place):
    assert find_token(WORDS, wanted) == place


@pytest.mark.parametrize("wanted", ["mole", "", "7", "-1"])
def test_what_is_not_there_names_what_would_work(wanted):
    with pytest.raises(UsageError, match=r"--token .* not in the text: .* 0 to 6"):
        find_token(WORDS, wanted)


def test_the_row_of_every_head_is_that_of_its_whole_pattern(loaded):
    recording = record(loaded.model, [0, 3, 8, 1, 1, 7, 2])
    heads = [Head(layer, index) for layer in range(2) for index in range(2)]
    row = token_row(loaded.model, recording, 4)
    assert list(row.weights) == heads
    for head, pattern in head_patterns(loaded.model, recording, heads).items():
        torch.testing.assert_close(torch.tensor(row.weights[head]), pattern[4, :5])


def test_heads_are_ranked_by_what_they_take_from_other_words_than_the_first():
    weights = {
        Head(0, 0): [0.9, 0.05, 0.05, 0.0],  # a sink
        Head(0, 1): [0.0, 0.1, 0.0, 0.9],  # looks at itself
        Head(1, 0): [0.3, 0.2, 0.4, 0.1],
    }
    row = TokenRow(3, weights)
    assert row.ranked == [Head(1, 0), Head(0, 1), Head(0, 0)]
    assert row.strongest(Head(1, 0), 2) == [(2, 0.4), (0, 0.3)]
    assert TokenRow(0, {Head(0, 0): [1.0]}).ranked == [Head(0, 0)]


def test_the_longest_word_of_all_texts_is_common():
    texts = [["American", " mole"], ["one", " mole", " of"], ["of", " the", " m", "ole"]]
    assert common_word(texts) == "mole"
    assert common_word([["a"], ["b"]]) is None
