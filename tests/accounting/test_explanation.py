"""The names of GPT-2 carry the figures that are in circulation."""

from gptcli.accounting.explanation import names_of_gpt2


def test_the_figures_in_circulation_are_computed() -> None:
    assert [name.params for name in names_of_gpt2()] == [
        124_439_808,
        163_037_184,
        163_009_536,
        162_129_408,
        137_022_720,
        85_056_000,
        116_534_784,
    ]
