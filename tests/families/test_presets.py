"""Every preset is a file with a model and training values that the configuration accepts."""

import re
from pathlib import Path

import pytest

from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.families.preset_files import PresetFiles, read_preset
from gptcli.families.registry import FAMILIES, PRESETS, family_of, find_preset

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = """about = "a small one"
family = "llama"

[model]
n_layer = 1
n_head = 2
n_embd = 8
block_size = 4
vocab_size = 5
"""


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_found_by_its_name_and_its_training_values_are_accepted(name: str) -> None:
    preset = find_preset(name)
    needed = {
        "batch_size": 1,
        "max_iters": 1,
        "lr": 1e-3,
        "min_lr": 1e-4,
        "warmup_iters": 0,
        "eval_interval": 1,
        "device": "cpu",
        "precision": "float32",
    }
    config = TrainConfig(**{**needed, **preset.training})
    assert all(getattr(config, key) == value for key, value in preset.training.items())
    assert family_of(preset.model).name == preset.family


def test_presets_are_listed_by_family_and_size_the_lectures_first() -> None:
    names = list(PRESETS)
    assert names[0] == "lecture-bigram" and names[6:8] == ["lecture", "gpt2"]
    assert names.index("gpt2-xl") < names.index("gpt3-small") < names.index("llama3-8b")
    assert len(names) == len(set(names)) == len(PRESETS)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("gpt-2", "gpt2"), ("GPT3", "gpt3"), ("gpt2xl", "gpt2-xl"), ("lectur", "lecture")],
)
def test_a_near_miss_is_told_the_name_that_works(asked: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"--preset {asked} is unknown: did you mean") as refused:
        find_preset(asked)
    assert meant in str(refused.value)


def test_a_name_like_no_other_is_told_all_of_them() -> None:
    with pytest.raises(UsageError) as refused:
        find_preset("zzz")
    assert all(name in str(refused.value) for name in PRESETS)


def test_a_former_preset_is_told_what_replaces_it() -> None:
    with pytest.raises(UsageError, match=r"small-cpu .* leave --preset out, and gptcli train"):
        find_preset("small-cpu")


def test_the_presets_of_the_gpt3_paper_are_named_in_a_note_where_its_table_is_wrong() -> None:
    assert "24 heads" in PRESETS["gpt3-xl"].about
    assert "5,140" in PRESETS["gpt3-13b"].about


def test_gpt2_has_the_training_that_nanogpt_publishes_and_says_that_it_was_not_run() -> None:
    preset = PRESETS["gpt2"]
    values = preset.training
    assert values["batch_size"] * values["grad_accum"] * preset.model.block_size == 491_520
    assert values["max_iters"] * 491_520 == pytest.approx(300e9, rel=0.02), "300B tokens"
    assert values["min_lr"] == pytest.approx(values["lr"] / 10)
    assert "not run" in preset.about and preset.measured is None


def test_the_rungs_figures_are_those_of_the_examples_guide() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8").partition("| step |")[2]
    shown = [
        float(figure) for figure in re.findall(r"\| (2\.\d{3}) \|", table.partition("\n\n")[0])
    ]
    rungs = [PRESETS[name] for name in PRESETS if name.startswith("lecture-")]
    assert [rung.measured.val_loss for rung in rungs] == shown


def test_a_preset_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    presets = PresetFiles(tmp_path, FAMILIES)
    (tmp_path / "good.toml").write_text(SMALL)
    (tmp_path / "bad.toml").write_text("about")
    assert "bad" in presets and len(presets) == 2
    assert presets["good"].model.gated, "its family's switches are its own"
    assert presets["good"] is presets["good"]
    with pytest.raises(KeyError):
        presets["../good"]
    with pytest.raises(UsageError, match=r"bad\.toml is not valid TOML"):
        presets["bad"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("n_layer", "n_layr"), r"line 5: n_layr is not a value of \[model\]: .*n_layer"),
        (("about", "abuot"), "line 1: abuot is not a part of a preset: did you mean about"),
        (("[model]", "[modle]"), "line 4: modle is not a part of a preset: did you mean model"),
        (("llama", "lama"), "line 2: family 'lama' is unknown: choose one of gpt2"),
        (("n_embd = 8", "n_embd = 9"), "is not a preset: --n-head 2 does not divide --n-embd 9"),
        (("n_embd = 8", ""), "is not a preset: .*n_embd"),
        (("[model]", "[training]\nlr = 1.0\nn_layer = 1\n[model]"), "line 6: n_layer is not a val"),
    ],
)
def test_a_wrong_preset_file_is_named_with_the_line(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL.replace(*change))
    with pytest.raises(UsageError, match=f"mine.toml.*{message}"):
        read_preset(path, FAMILIES)


@pytest.mark.parametrize(
    ("name", "tokens", "rate"),
    [
        ("gpt3-small", 0.5e6, 6.0e-4),
        ("gpt3-medium", 0.5e6, 3.0e-4),
        ("gpt3-large", 0.5e6, 2.5e-4),
        ("gpt3-xl", 1e6, 2.0e-4),
        ("gpt3-2.7b", 1e6, 1.6e-4),
        ("gpt3-6.7b", 2e6, 1.2e-4),
        ("gpt3-13b", 2e6, 1.0e-4),
        ("gpt3", 3.2e6, 0.6e-4),
    ],
)
def test_gpt3_has_the_batches_and_rates_of_its_paper(name: str, tokens: float, rate: float) -> None:
    preset = PRESETS[name]
    values = preset.training
    per_step = values["batch_size"] * values["grad_accum"] * preset.model.block_size
    assert per_step == pytest.approx(tokens, rel=0.05)
    assert values["lr"] == rate and values["min_lr"] == pytest.approx(rate / 10)
    assert values["max_iters"] * per_step == pytest.approx(300e9, rel=0.01)
    assert values["warmup_iters"] * per_step == pytest.approx(375e6, rel=0.01)
