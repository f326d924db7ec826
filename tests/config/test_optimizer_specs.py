"""What an optimizer is said to keep is what torch's keeps."""

import torch

from gptcli.config.optimizer_specs import OPTIMIZERS


def test_every_optimizer_is_torchs_and_keeps_what_its_entry_says() -> None:
    for name, spec in OPTIMIZERS.items():
        parameter = torch.nn.Parameter(torch.ones(2, 3))
        optimizer = getattr(torch.optim, name)([parameter])
        parameter.square().sum().backward()
        optimizer.step()
        state = {key: value for key, value in optimizer.state[parameter].items() if key != "step"}
        assert set(state) == set(spec.state)
        kept = sum(tensor.nbytes for tensor in state.values())
        assert kept == spec.bytes_per_parameter * parameter.numel()
