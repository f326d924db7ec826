"""What an iteration is estimated to take."""

from gptcli.accounting.flops import sequence_flops
from gptcli.config.model import ModelConfig
from gptcli.training.pace import Pace, measure_pace

CONFIG = ModelConfig(n_layer=3, n_head=2, n_embd=32, block_size=16, vocab_size=40)


def test_an_iteration_is_overhead_for_every_layer_and_arithmetic_for_every_row() -> None:
    flops = sequence_flops(CONFIG, 16).training_full
    assert Pace(0.5, 1e30).iteration_seconds(CONFIG, 8) == 0.5 * 4
    assert Pace(0.0, flops).iteration_seconds(CONFIG, 8) == 8


def test_what_is_measured_here_is_possible() -> None:
    pace = measure_pace("cpu", "float32")
    assert 1e-5 < pace.seconds_per_layer < 1
    assert 1e8 < pace.flops_per_second < 1e14
