"""What to say about a tensor that is not the model's: wrappers and adapters change names."""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from gptcli.errors import CheckpointError

_ADAPTER = re.compile(r"\.lora_|\.base_layer\.|\.modules_to_save\.")
_WRAPPERS: Mapping[str, str] = MappingProxyType(
    {
        "_orig_mod.": "torch.compile",
        "_fsdp_wrapped_module.": "FSDP",
        "base_model.model.": "PEFT",
        "module.": "DistributedDataParallel",
    }
)


def foreign_name(
    name: str, file: Path, is_known: Callable[[str], bool], begins_known: Callable[[str], bool]
) -> CheckpointError:
    """The error for a tensor of another name, with the way out where a wrapper changed it.

    ``is_known`` tells the names of the model's tensors, ``begins_known`` how these begin.
    """
    if _ADAPTER.search(name):
        return CheckpointError(
            f"{file}: tensor {name} belongs to an adapter (LoRA): merge it into the model, in "
            "PEFT by merge_and_unload(), and save that"
        )
    parts = name.split(".")
    for prefix in (".".join(parts[:n]) + "." for n in range(1, len(parts))):
        if begins_known(prefix) or not is_known(name.removeprefix(prefix)):
            continue
        maker = next((made for part, made in _WRAPPERS.items() if part in prefix), "a wrapper")
        return CheckpointError(
            f"{file}: tensor {name} has the prefix {prefix} that {maker} adds to names: save the "
            f"model inside, or strip it with python -c {shlex.quote(_stripping(prefix, file))}"
        )
    return CheckpointError(f"{file}: tensor {name} is not part of the model in config.json")


def _stripping(prefix: str, file: Path) -> str:
    """A program that strips a prefix from the names in a file."""
    return (
        "from safetensors.torch import load_file, save_file; "
        f"f = {json.dumps(str(file))}; w = load_file(f); "
        f'save_file({{n.removeprefix("{prefix}"): w[n] for n in w}}, f, {{"format": "pt"}})'
    )
