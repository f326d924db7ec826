"""What train does where nothing is said: the time, the text and the device decide."""

import pytest

from gptcli.families.registry import find_preset
from gptcli.training.defaults import resolve
from gptcli.training.recipe import CPU_SECONDS, most_epochs

A_MILLION = 10**6


def plain(n_tokens: int | None = A_MILLION, device: str = "cpu", preset: str = "", **given):
    model = find_preset(preset) if preset else None
    return resolve(given, model, 65, device, "float32", 2, n_tokens)


def answers(longest: int, device: str = "cpu", n_tokens: int = A_MILLION, preset="", **given):
    model = find_preset(preset) if preset else None
    return resolve(given, model, 65, device, "float32", 2, n_tokens, longest_document=longest)


def test_plain_train_on_a_cpu_keeps_a_time() -> None:
    assert plain().time_budget == CPU_SECONDS
    assert plain(time_budget=60.0).time_budget == 60
    assert plain(max_iters=5).time_budget is None
    assert plain(device="cuda").time_budget is None
    assert plain(preset="lecture").time_budget is None


def test_a_number_of_steps_is_as_many_of_the_same_run() -> None:
    timed, counted = plain(), plain(max_iters=1000)
    assert counted.model == timed.model
    assert counted.training.max_iters == 1000
    for name in ("optimizer", "schedule", "head_lr", "batch_size", "weight_decay"):
        assert getattr(counted.training, name) == getattr(timed.training, name)


def test_a_longer_run_of_muon_has_a_lower_rate() -> None:
    rates = [plain(max_iters=steps).training.lr for steps in (0, 10, 190, 560, 2240)]
    assert rates == [0.04, 0.04, 0.036, 0.021, 0.02]
    assert plain(max_iters=560, batch_size=64).training.lr == 0.04
    assert plain(max_iters=560, batch_size=8, grad_accum=2).training.lr == 0.021
    assert plain(max_iters=190, batch_size=8).training.lr == 0.026
    assert plain(max_iters=560).training.min_lr == 0.00042
    assert {answers(13, max_iters=steps).training.lr for steps in (10, 10_000)} == {0.03}
    assert plain(max_iters=560, optimizer="adamw").training.lr == pytest.approx(0.0026)


def test_no_text_at_all_has_sizes() -> None:
    assert resolve({}, None, 4096, "cpu", "float32", 2, 0).model.dropout == 0


def test_sizes_are_known_before_the_text_is() -> None:
    assert plain(None).model == plain().model


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_context_fits_into_a_short_text_unless_it_is_given(device: str) -> None:
    short = plain(100, device)
    assert short.model.block_size == 25
    assert "context: 25 tokens, since the text has only 100 to train on" in short.notes
    assert plain(100, device, block_size=256).model.block_size == 256  # an error, later
    assert plain(257, device).model.block_size == 256
    assert not any("context" in note for note in plain(1025, device).notes)
    assert plain(1, device).model.block_size == 1


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_questions_are_seen_one_by_one_and_about_as_many_tokens_in_a_step(device: str) -> None:
    usual, short = plain(device=device), answers(13, device)
    assert short.model.block_size == 13
    assert "context: 13 tokens, the longest question with its answer" in short.notes
    seen, tokens = (one.training.rows_per_iter * one.model.block_size for one in (short, usual))
    assert tokens / 2 < seen <= tokens
    is_smaller = short.model.n_layer < usual.model.n_layer
    assert is_smaller == (device == "cpu"), "more steps in the same time"
    assert answers(200, device).model.n_layer == usual.model.n_layer
    assert answers(10**4, device).model == usual.model
    assert answers(10**4, device).training.batch_size == usual.training.batch_size


def test_a_context_of_ones_own_has_the_usual_rows() -> None:
    own = answers(13, block_size=32)
    assert (own.model.block_size, own.training.batch_size) == (32, plain().training.batch_size)
    preset = answers(13, preset="gpt2-medium")
    assert preset.model.block_size == 1024
    assert preset.training == plain(preset="gpt2-medium").training


def test_problems_may_be_repeated_more_often_than_a_text() -> None:
    once = answers(13, n_tokens=45_000).most_iters
    assert once is not None and once > 2 * plain(45_000).most_iters


def test_a_time_for_more_epochs_than_help_is_cut_short() -> None:
    resolved = plain(100_000)
    tokens = resolved.training.rows_per_iter * resolved.model.block_size
    assert resolved.most_iters == resolved.training.max_iters
    assert most_epochs(65) <= resolved.most_iters * tokens / 100_000 < most_epochs(65) + 1
    assert plain(10**9).training.max_iters < plain(10**9).most_iters


def test_a_short_text_that_is_read_again_and_again_has_dropout() -> None:
    def dropout(n_tokens: int, seconds: float, **given: object) -> float:
        return plain(n_tokens, time_budget=seconds, **given).model.dropout

    assert [dropout(90_000, seconds) for seconds in (30, 60, 180)] == [0.0, 0.1, 0.2]
    assert dropout(90_000, 180, dropout=0.0) == 0
    assert dropout(90_000, 180, family="gpt2") == 0
    assert dropout(A_MILLION, 10**4) == 0
    assert plain(90_000, max_iters=300).model.dropout == 0
    assert answers(200, n_tokens=90_000, time_budget=180.0).model.dropout == 0


@pytest.mark.parametrize(
    ("vocab_size", "seconds", "expected"),
    [(4096, 60, 0), (4096, 180, 0.1), (50_257, 180, 0), (50_257, 600, 0.1)],
)
def test_words_have_dropout_where_there_is_time_for_it(vocab_size, seconds, expected) -> None:
    given = {"time_budget": float(seconds)}
    assert resolve(given, None, vocab_size, "cpu", "float32", 2, 250_000).model.dropout == expected


def test_a_larger_vocabulary_is_known_by_heart_sooner() -> None:
    words = resolve({}, None, 4096, "cpu", "float32", 2, 300_000)
    assert words.most_iters is not None
    assert words.most_iters == pytest.approx(plain(300_000).most_iters / 2, abs=1)


def test_a_text_of_a_page_gets_enough_steps_to_learn_anything() -> None:
    assert plain(2000).most_iters == 300


def test_what_the_user_named_is_trained_as_long_as_he_says() -> None:
    assert plain(100_000, max_iters=5000).training.max_iters == 5000
    assert plain(100_000, preset="lecture", time_budget=600.0).most_iters is None
    classic = plain(100_000, device="cuda", time_budget=600.0, family="gpt2")
    assert classic.most_iters is None
    assert classic.training.optimizer == "adamw"


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_time_on_a_gpu_is_for_the_best_that_was_measured(device: str) -> None:
    timed, usual = (plain(device=device, **given) for given in ({"time_budget": 60.0}, {}))
    assert (timed.training.optimizer, usual.training.optimizer) == ("muon", "adamw")
    assert timed.model.n_embd == usual.model.n_embd == 384
    assert timed.model.qk_norm and not usual.model.qk_norm
    assert timed.most_iters == timed.training.max_iters == 733
    assert timed.training.lr == 0.037
    assert usual.time_budget is None


def test_a_gpu_does_not_learn_a_short_text_by_heart() -> None:
    def timed(n_tokens: int, seconds: float = 60):
        return plain(n_tokens, device="cuda", time_budget=seconds)

    short, long = timed(100_000), timed(A_MILLION)
    assert (short.training.batch_size, long.training.batch_size) == (16, 64)
    assert (short.model.n_embd, long.model.n_embd) == (192, 384)
    assert short.most_iters == 300, "at most twelve epochs and a half"
    assert long.model.dropout == 0.2
    endless = timed(10**9)
    assert endless.model.dropout == 0, "it is not repeated"
    assert timed(10**9, 10**4).model.dropout == 0.2


def test_a_short_text_may_have_fewer_keys_on_a_gpu() -> None:
    few = plain(100_000, device="cuda", time_budget=60.0, n_kv_head=2)
    assert (few.model.n_head, few.model.n_kv_head, few.model.n_embd) == (6, 2, 192)
    assert few.training.optimizer == "muon"


def test_a_gpu_reads_words_more_slowly() -> None:
    """30 million tokens in two minutes: often in characters, not in GPT-2's vocabulary."""
    given = {"time_budget": 120.0}
    for vocab_size, expected in ((65, 0.2), (50_257, 0.0)):
        found = resolve(given, None, vocab_size, "cuda", "bfloat16", 2, 30_000_000)
        assert found.model.dropout == expected


def test_answers_have_no_dropout_on_a_gpu() -> None:
    for given in ({}, {"block_size": 64}):
        assert answers(13, "cuda", time_budget=60.0, **given).model.dropout == 0
    assert answers(200, "cuda", n_tokens=90_000, time_budget=60.0).model.dropout == 0


def test_short_answers_are_learnt_on_a_gpu_as_on_a_cpu() -> None:
    here, there = (answers(13, device, time_budget=60.0) for device in ("cpu", "cuda"))
    assert there.model == here.model
    for name in ("batch_size", "optimizer", "lr"):
        assert getattr(there.training, name) == getattr(here.training, name)


def test_nothing_was_measured_on_apples_gpus() -> None:
    assert plain(device="mps", time_budget=60.0).training.optimizer == "adamw"


def test_a_model_that_multiplies_nothing_gets_a_number_of_steps_too() -> None:
    year = 365 * 86400.0
    given = {"time_budget": year}
    iters = resolve(
        given, find_preset("lecture-bigram"), 65, "cpu", "float32", 2
    ).training.max_iters
    assert 10**6 < iters < 10**12
