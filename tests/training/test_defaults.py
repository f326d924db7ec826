"""What train fills in: nothing given is changed, and a CPU is not asked for a day's work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcli.accounting.flops import sequence_flops
from gptcli.errors import UsageError
from gptcli.families.registry import find_preset
from gptcli.training.defaults import resolve
from gptcli.training.recipe import CPU_SECONDS


def fill(device: str = "cpu", precision: str = "float32", preset: str | None = None, **given_):
    model = find_preset(preset) if preset else None
    return resolve(given_, model, 65, device, precision, 2)


@given(
    given_=st.fixed_dictionaries(
        {},
        optional={
            "n_layer": st.integers(1, 8),
            "n_embd": st.integers(1, 300),
            "block_size": st.integers(1, 512),
            "batch_size": st.integers(1, 64),
            "max_iters": st.integers(1, 9000),
            "dropout": st.floats(0, 0.9),
            "lr": st.floats(1e-5, 1e-2),
            "grad_accum": st.integers(1, 8),
            "tied": st.booleans(),
        },
    ),
    device=st.sampled_from(["cpu", "cuda", "mps"]),
)
def test_every_given_value_is_kept(given_: dict[str, object], device: str) -> None:
    resolved = resolve(given_, None, 65, device, "float32", 2)
    for name, value in given_.items():
        holder = resolved.model if hasattr(resolved.model, name) else resolved.training
        assert getattr(holder, name) == value
        assert name not in resolved.filled


def test_a_gpu_gets_the_lectures_values() -> None:
    resolved = fill("cuda", n_layer=6, n_head=6)
    assert (resolved.model.n_embd, resolved.model.block_size) == (384, 256)
    assert (resolved.training.batch_size, resolved.training.max_iters) == (64, 5000)


def shape(vocab_size: int = 65, n_tokens: int | None = None, **given_) -> tuple[int, int, int]:
    model = resolve(given_, None, vocab_size, "cpu", "float32", 2, n_tokens).model
    return model.n_layer, model.n_head, model.n_embd


def test_a_short_time_is_for_a_small_model_of_characters() -> None:
    assert shape(time_budget=60.0) == (4, 2, 128)
    assert shape(time_budget=120.0) == (6, 2, 128)
    assert shape(time_budget=600.0) == shape() == (6, 3, 192)
    assert shape(4096, time_budget=60.0) == (6, 3, 192)
    assert shape(time_budget=60.0, family="gpt2") == (6, 6, 192)
    assert shape(n_tokens=1_000_000, time_budget=120.0) == (6, 2, 128)
    assert shape(n_tokens=100_000, time_budget=120.0) == (6, 3, 192), "its repetitions would end"


def test_a_large_vocabulary_leaves_room_for_few_rows() -> None:
    for vocab_size, rows in ((65, 16), (4096, 16), (50257, 4)):
        assert resolve({}, None, vocab_size, "cpu", "float32", 2).training.batch_size == rows


def test_heads_and_width_follow_from_each_other() -> None:
    assert shape(n_head=6) == (6, 6, 192)
    assert shape(n_embd=96) == (6, 3, 96)
    assert shape(time_budget=60.0, n_layer=6, n_head=6) == (6, 6, 192)


def test_a_value_that_is_usual_changes_nothing() -> None:
    assert shape(n_head=3) == shape(n_embd=192) == shape()
    assert shape(time_budget=60.0, n_head=2) == shape(time_budget=60.0, n_embd=128) == (4, 2, 128)


@pytest.mark.parametrize("keys", [1, 2, 3, 6])
def test_keys_of_groups_have_many_heads_to_divide(keys: int) -> None:
    for time in ({}, {"time_budget": 60.0}):
        assert shape(n_kv_head=keys, **time) == (6, 6, 192)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_lecture_preset_is_the_lectures_everywhere(device: str) -> None:
    resolved = fill(device, preset="lecture")
    assert resolved.model == find_preset("lecture").model
    training = resolved.training
    assert (training.batch_size, training.max_iters, training.lr) == (64, 5000, 3e-4)
    assert training.min_lr == training.lr
    assert training.order == "random"


def test_a_presets_constant_rate_stays_constant_when_it_is_changed() -> None:
    training = fill(preset="lecture", lr=1e-4).training
    assert training.min_lr == training.lr == 1e-4


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "sizes", [{}, {"n_layer": 6, "n_head": 6}, {"n_embd": 384}, {"n_layer": 1}]
)
def test_a_cpu_run_costs_about_the_same_whatever_is_given(precision: str, sizes) -> None:
    resolved = fill("cpu", precision, **sizes)
    cost = sequence_flops(resolved.model, resolved.model.block_size).training_full
    sequences = resolved.training.rows_per_iter * resolved.training.max_iters
    rate = cost * sequences / CPU_SECONDS
    assert 100e9 < rate < 250e9


def test_vocabulary_comes_from_the_data_not_from_the_preset() -> None:
    assert fill("cpu", preset="gpt2").model.vocab_size == 65


@pytest.mark.parametrize("name", ["batch_size", "grad_accum"])
def test_no_rows_at_all_are_refused_before_they_divide(name: str) -> None:
    with pytest.raises(UsageError, match="must be at least 1, not 0"):
        fill(**{name: 0})


def test_a_presets_teacher_is_only_for_texts_that_can_be_counted() -> None:
    preset = find_preset("speedrun")
    for is_countable in (True, False):
        found = resolve({}, preset, 65, "cpu", "float32", 2, 10**6, is_countable)
        assert found.training.ngram_teacher == (0.7 if is_countable else 0.0)
    asked = resolve({"ngram_teacher": 0.5}, preset, 65, "cpu", "float32", 2, 10**6, False)
    assert asked.training.ngram_teacher == 0.5  # refused where the text is at hand


def test_a_presets_rates_are_those_of_its_optimizer() -> None:
    lecture, speedrun = find_preset("lecture"), find_preset("speedrun")
    with_muon = resolve({"optimizer": "muon"}, lecture, 65, "cpu", "float32", 2).training
    assert (with_muon.lr, with_muon.weight_decay) == (0.02, 0.2)
    assert with_muon.max_iters == 5000
    with_adamw = resolve({"optimizer": "adamw"}, speedrun, 65, "cpu", "float32", 2).training
    assert with_adamw.lr < 0.01
    assert with_adamw.head_lr is None
    assert resolve({"optimizer": "adamw"}, lecture, 65, "cpu", "float32", 2).training.lr == 3e-4
