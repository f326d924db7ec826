import pytest

from gptcli.errors import UsageError
from gptcli.inspection.excerpt import Excerpt, TextPart, choose_part


@pytest.mark.parametrize(
    ("n_tokens", "window", "expected"),
    [
        (50, None, TextPart(0, 50, Excerpt(0, 50))),
        (50, "10:20", TextPart(0, 50, Excerpt(10, 20))),
        (50, "10:", TextPart(0, 50, Excerpt(10, 50))),
        (50, ":7", TextPart(0, 50, Excerpt(0, 7))),
        (300, None, TextPart(200, 300, Excerpt(0, 100))),
        (300, "150:160", TextPart(60, 160, Excerpt(90, 100))),
        (300, "20:60", TextPart(0, 60, Excerpt(20, 60))),
        (300, "250:", TextPart(200, 300, Excerpt(50, 100))),
    ],
)
def test_a_model_reads_what_its_context_holds_up_to_the_end_of_the_window(
    n_tokens, window, expected
):
    assert choose_part(n_tokens, 100, window) == expected


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ("10:350", "its 300 tokens are 0:300"),
        ("300:", "its 300 tokens are 0:300"),
        ("10:150", "140 tokens, more than .* at most 100, such as 50:150"),
        ("20:20", "such as 100:200"),
        ("20:10", "such as 100:200"),
        (":0", "such as 100:200"),
        ("20", "such as 100:200"),
        ("a:b", "such as 100:200"),
        ("-5:10", "such as 100:200"),
    ],
)  # fmt: skip
def test_a_window_that_cannot_be_names_what_can(window, words):
    with pytest.raises(UsageError, match=words):
        choose_part(300, 100, window)


@pytest.mark.parametrize(("n_tokens", "cell"), [(400, 1), (401, 2), (4096, 11), (1, 1)])
def test_cells_are_as_small_as_they_fit(n_tokens, cell):
    pooled = Excerpt(0, n_tokens).pooled(400)
    assert pooled.cell == cell
    assert pooled.n_cells <= 400
