"""The rate that a training step is judged by."""

from gptcli.training.matrix_peak import matrix_peak


def test_the_peak_is_that_of_large_products() -> None:
    matrix_peak.cache_clear()
    peak = matrix_peak("cpu", "float32")
    assert peak is not None and 1e8 < peak < 1e15
    assert matrix_peak("cpu", "float32") is peak  # measured once
    matrix_peak.cache_clear()
