"""What is said to make a model fit does, and one more of it does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.accounting.fit import Fit, generation_fit, training_fit
from gptcli.accounting.memory import generation_memory, training_memory
from gptcli.accounting.workload import Workload
from gptcli.families.registry import PRESETS

GB = 10**9
USES = {
    "training": (training_fit, lambda config, work: training_memory(config, work).peak),
    "generation": (generation_fit, lambda config, work: generation_memory(config, work).peak),
}


def changed(work: Workload, flag: str) -> Workload:
    name, value = flag.removeprefix("--").split()
    number: object = int(value) if value.isdigit() else value
    field = {"batch-size": "batch"}.get(name, name)
    return Workload(**{**vars(work), field: number})


@pytest.mark.parametrize("use", USES)
@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(["gpt2", "gpt2-xl", "lecture", "llama3-8b", "qwen3-0.6b"]),
    batch=st.integers(1, 300),
    context=st.integers(1, 20_000),
    limit=st.integers(10**7, 10**12),
)
def test_every_remedy_fits_and_the_limits_are_tight(
    use: str, name: str, batch: int, context: int, limit: int
) -> None:
    fit_of, needs = USES[use]
    config, work = PRESETS[name].model, Workload(context, batch)
    fit: Fit = fit_of(config, work, limit)
    assert fit.fits == (needs(config, work) <= limit)
    if fit.largest_batch:
        assert needs(config, work.with_batch(fit.largest_batch)) <= limit
    assert needs(config, work.with_batch(fit.largest_batch + 1)) > limit
    for remedy in fit.remedies:
        assert needs(config, changed(work, remedy.flag)) == remedy.needs <= limit
        if "--context" in remedy.flag:
            longest = changed(work, remedy.flag)
            assert needs(config, longest.with_context(longest.context + 1)) > limit


def test_where_not_even_one_token_fits_there_is_no_remedy() -> None:
    fit = training_fit(PRESETS["llama3-8b"].model, Workload(8192), 24 * GB)
    assert (fit.fits, fit.largest_batch, fit.remedies) == (False, 0, ())
    assert fit.largest_model == 24 * GB // 16


def test_eight_billion_parameters_generate_in_24_gb_in_16_bit_and_not_in_32() -> None:
    config = PRESETS["llama3-8b"].model
    assert generation_fit(config, Workload(4096), 24 * GB).fits
    wide = generation_fit(config, Workload(4096, dtype="float32"), 24 * GB)
    assert [r.flag for r in wide.remedies] == ["--dtype bfloat16"]
