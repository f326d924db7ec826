"""The list of shapes is held against the model that torch builds."""

from hypothesis import given, settings

from gptcli.config.model import ModelConfig
from gptcli.families.registry import PRESETS
from gptcli.families.shapes import parameter_shapes, parameters
from gptcli.model.initialization import shape_of_model


def test_every_parameter_of_any_model_has_its_name_and_shape_in_the_list(any_model) -> None:
    @settings(deadline=None, max_examples=100)
    @given(config=any_model)
    def check(config: ModelConfig) -> None:
        built = shape_of_model(config).named_parameters()
        assert parameter_shapes(config) == {name: tuple(one.shape) for name, one in built}

    check()


def test_a_kind_counts_the_parameters_of_all_layers() -> None:
    config = PRESETS["qwen3-0.6b"].model
    kinds = {one.name: one for one in parameters(config)}
    gate = kinds["blocks.*.mlp.gate.weight"]
    assert (gate.shape, gate.copies, gate.size) == ((3072, 1024), 28, 28 * 3072 * 1024)
    assert sum(one.copies for one in kinds.values()) == len(parameter_shapes(config))
