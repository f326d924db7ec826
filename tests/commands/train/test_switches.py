"""A run with any mix of switches is saved whole, resumed, evaluated, sampled and looked into."""

import json
from itertools import product
from pathlib import Path

import pytest

from gptcli.checkpoint.config_json import model_config_json, read_model_config
from gptcli.config.model import NORMS, POSITIONS
from gptcli.families.registry import model_type_of
from gptcli.training.defaults import resolve

SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 4}
SWITCHES = [
    {"positions": positions, "norm": norm, "gated": gated, "qk_norm": qk_norm}
    for positions, norm, gated, qk_norm in product(POSITIONS, NORMS, (True, False), (True, False))
    if norm != "none" or not qk_norm
]


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda one: "-".join(map(str, one.values())))
def test_every_mix_of_switches_is_written_and_read_as_the_same_model(tmp_path, switches) -> None:
    model = resolve({**SIZES, **switches}, None, 65, "cpu", "float32", 1).model
    assert {name: getattr(model, name) for name in switches} == switches
    (tmp_path / "config.json").write_text(json.dumps(model_config_json(model)), encoding="utf-8")
    assert read_model_config(tmp_path) == model


@pytest.mark.parametrize(
    "flags",
    [
        ("--positions", "none", "--norm", "rms", "--gated", "--no-qk-norm"),
        ("--positions", "rotary", "--norm", "none", "--no-gated"),
        ("--positions", "learned", "--norm", "plain_rms", "--qk-norm", "--tied"),
        ("--preset", "lecture", "--positions", "rotary", "--qk-norm", "--gated"),
    ],
)
def test_a_mix_that_no_family_has_runs_in_every_command(cli, prepared: Path, tiny, flags) -> None:
    begun = cli("train", *tiny, *flags, "--max-iters", 2)
    assert begun.code == 0, begun.stderr
    assert "family: gptcli-custom, which only gptcli loads" in begun.stderr
    config = json.loads((prepared / "runs/input/config.json").read_text())
    model = read_model_config(prepared / "runs/input")
    assert config["model_type"] == model_type_of(model) == "gptcli-custom"
    for command in (
        ("train", "--resume", "runs/input", "--max-iters", 3),
        ("eval",),
        ("sample", "--prompt", "LINE", "--max-new-tokens", 20),
        ("inspect-attention", "--text", "the cats"),
    ):
        done = cli(*command)
        assert done.code == 0, done.stderr
