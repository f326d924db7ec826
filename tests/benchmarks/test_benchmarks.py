"""The measuring itself: small, with stand-ins for whatever takes long."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.model.initialization import new_model
from tests.benchmarks import contestants, first_step, records
from tests.benchmarks.__main__ import LONG, parser
from tests.benchmarks.contestants import Length, Setting
from tests.benchmarks.machine import matrix_peak, processor
from tests.benchmarks.sampling import bytes_per_token
from tests.benchmarks.timing import print_lead, take_turns

_TINY = Setting(1, 1, 16, 8, 2)


def test_the_processor_is_named_with_its_family():
    described = "vendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel name\t: AMD EPYC\n\nflags\t: x"
    threads = torch.get_num_threads()
    assert processor(described) == f"AMD EPYC, family 26 = Zen 5, {threads} threads"
    assert processor("").startswith("unknown CPU")


def test_every_command_of_the_guide_can_be_typed():
    guide = (Path(__file__).parent / "README.md").read_text()
    commands = re.findall(r"^\$ python -m tests.benchmarks ([^#\n]*)", guide, re.MULTILINE)
    subjects = [word for text in commands for word in parser().parse_args(text.split()).words]
    assert {*LONG} < {*subjects}


def test_the_peak_is_a_rate_that_this_machine_can_have():
    assert 1e8 < matrix_peak(torch.float32, (64,)) < 1e15


def test_steps_that_warm_up_do_not_count():
    assert Length(5, 2).median([9.0, 8.0, 1.0, 3.0, 2.0]) == 2.0
    with pytest.raises(AssertionError, match="only 2 steps"):
        Length(5, 2).median([9.0, 8.0])


def test_a_contestant_that_fails_is_named_and_the_others_go_on(capsys):
    def fail() -> float:
        raise RuntimeError("no compiler")

    assert take_turns({"a": lambda: 2.0, "b": fail}, 3) == {"a": [2.0, 2.0, 2.0]}
    assert capsys.readouterr().out.count("b failed: no compiler") == 1


def test_the_lead_is_that_of_the_best_over_the_best(capsys):
    print_lead({"gptcli": 3.0, "gptcli compiled": 2.0, "nanoGPT": 5.0, "Trainer": 9.0}, "gptcli")
    assert "gptcli compiled is 2.50x as fast as nanoGPT" in capsys.readouterr().out


def test_bytes_per_token_are_those_of_all_weights_but_tables():
    tied = ModelConfig(1, 1, 16, 8, vocab_size=10)
    block = 16 * 48 + 48 + 16 * 16 + 16 + 16 * 64 + 64 + 64 * 16 + 16 + 4 * 16
    head, final_norm = 16 * 10, 2 * 16
    for config in (tied, replace(tied, tied=False)):
        assert bytes_per_token(new_model(config, 0)) == 4 * (block + head + final_norm)
    assert bytes_per_token(new_model(tied, 0).bfloat16()) == 2 * (block + head + final_norm)


def test_a_stopped_loop_of_runs_goes_on_where_it_was(tmp_path, monkeypatch):
    trained: list[Sequence[str]] = []

    def train(command: Sequence[str], folder: Path, **variables: str) -> str:
        assert not list(Path(variables["XDG_CACHE_HOME"]).iterdir())  # cold
        if "7" in command:
            raise RuntimeError("stopped")
        trained.append(command)
        return ""

    evaluated = json.dumps({"loss": 1.5, "context": 256, "max_iters": 10})
    monkeypatch.setattr(records, "output", train)
    monkeypatch.setattr(records, "gptcli", lambda *_: evaluated)
    monkeypatch.setattr(records, "read_model_config", lambda _: ModelConfig(1, 1, 16, 8, 10))
    first = records.Records(tmp_path).measured("text", ("--time-budget", "1m"), 1)
    with pytest.raises(RuntimeError, match="stopped"):
        records.Records(tmp_path).measured("text", ("--time-budget", "1m"), 7)
    again = records.Records(tmp_path)
    assert again.measured("text", ("--time-budget", "1m"), 1) == first
    assert len(trained) == 1
    for other in (("text", "2m", 1), ("prose", "1m", 1), ("text", "1m", 2)):
        again.measured(other[0], ("--time-budget", other[1]), other[2])
    assert len(trained) == 4


def test_our_steps_are_timed_and_the_watched_command_leaves_at_its_first(tmp_path):
    source = tmp_path / "text.txt"
    source.write_text("To be, or not to be, that is the question.\n" * 20)
    contestants.gptcli(tmp_path, "prepare", source, "--out", "data/input")
    measure = contestants.ours(tmp_path, _TINY, Length(4, 2), "float32", "off")
    assert 0 < measure() < 60
    command = [sys.executable, "-c", first_step.LEAVES, "train", "data/input", *_TINY.flags]
    contestants.output([*command, "--max-iters", "2", "--out", "runs/first"], tmp_path)
    lines = (tmp_path / "runs/first/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] in ([], [0])
