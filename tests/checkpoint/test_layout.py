"""The layout names every parameter of the built model once, in shapes that transformers has too."""

import pytest
import torch
from hypothesis import given, settings
from transformers import AutoConfig, AutoModelForCausalLM

from gptcli.checkpoint.config_json import model_config_json
from gptcli.checkpoint.layout import file_layout
from gptcli.config.model import ModelConfig
from gptcli.families.registry import TRAINABLE
from gptcli.model.initialization import shape_of_model


def check_covers(config: ModelConfig) -> None:
    """Entries of a parameter lie one after another and end where it ends."""
    ends: dict[str, int] = {}
    shapes = {name: tuple(p.shape) for name, p in shape_of_model(config).named_parameters()}
    for entry in file_layout(config):
        if entry.absent:
            assert entry.parameter not in shapes
            continue
        assert entry.first_row == ends.get(entry.parameter, 0)
        assert entry.shape[1:] == shapes[entry.parameter][1:]
        ends[entry.parameter] = entry.first_row + entry.shape[0]
    assert ends == {name: shape[0] for name, shape in shapes.items()}


def test_every_parameter_of_any_model_has_its_place(any_model) -> None:
    settings(deadline=None, max_examples=150)(given(config=any_model)(check_covers))()


@pytest.mark.parametrize("family", TRAINABLE)
def test_a_familys_tensors_are_those_of_transformers(make_member, family: str) -> None:
    config = make_member(family).config
    check_covers(config)
    with torch.device("meta"):
        theirs = AutoModelForCausalLM.from_config(AutoConfig.for_model(**model_config_json(config)))
    expected = {name: tuple(tensor.shape) for name, tensor in theirs.state_dict().items()}
    if config.tied:
        del expected["lm_head.weight"]
    layout = file_layout(config)
    assert {entry.name: entry.file_shape for entry in layout} == expected
