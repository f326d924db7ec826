"""What an optimizer is said to keep is what torch's keeps."""

import torch

from gptcli.config.optimizer_specs import OPTIMIZERS


def test_every_optimizer_keeps_what_its_entry_says_as_torchs_does() -> None:
    for name, spec in OPTIMIZERS.items():
        parameter = torch.nn.Parameter(torch.ones(2, 3))
        optimizer = getattr(torch.optim, name)([parameter])
        parameter.square().sum().backward()
        optimizer.step()
        kept = optimizer.state[parameter]
        assert spec.counts_steps == ("step" in kept)
        state = {key: value for key, value in kept.items() if key != "step"}
        assert set(state) == set(spec.state)
        size = sum(tensor.nbytes for tensor in state.values())
        assert size == spec.bytes_per_parameter * parameter.numel()
