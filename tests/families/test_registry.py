"""Every model belongs to a family, and a family to its members what it has fixed."""

from dataclasses import asdict
from pathlib import Path

import pytest

from gptcli import families
from gptcli.config.model import ModelConfig
from gptcli.errors import UsageError
from gptcli.families.registry import FAMILIES, check_choices, model_type_of


def make(**changes: object) -> ModelConfig:
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 4, "vocab_size": 5}
    return ModelConfig(**{**sizes, **changes})


def test_what_transformers_cannot_build_has_a_name_of_our_own() -> None:
    assert model_type_of(make()) == "gpt2"
    assert model_type_of(make(bias=False, tied=False, n_inner=7)) == "gpt2"
    lecture = {"activation": "relu", "qkv_bias": False, "tied": False}
    assert model_type_of(make(lm_head_bias=True, **lecture)) == "gptcli-lecture"
    assert model_type_of(make(n_kv_head=1)) == "gptcli-custom"
    assert model_type_of(make(norm="rms")) == "gptcli-custom"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_familys_own_switches_make_a_member(name: str) -> None:
    member = make(**FAMILIES[name].switches)
    assert model_type_of(member) == name
    assert ModelConfig.from_fields(asdict(member)) == member


def test_a_flag_that_a_family_has_fixed_is_refused_with_the_families_that_let_it() -> None:
    with pytest.raises(
        UsageError, match=r"--n-kv-head 2 .* only in llama and qwen3 and nanochat models"
    ):
        check_choices(FAMILIES["gpt2"], {"n_kv_head": 2})
    check_choices(FAMILIES["llama"], {"n_kv_head": 2, "activation": "silu", "tied": True})


def test_every_file_with_a_family_adds_it_at_a_rank_of_its_own() -> None:
    files = [file.read_text("utf-8") for file in Path(families.__file__).parent.glob("*.py")]
    assert len(FAMILIES) == sum("\nFAMILY = " in text for text in files)
    ranks = [family.rank for family in FAMILIES.values()]
    assert ranks == sorted(set(ranks))
