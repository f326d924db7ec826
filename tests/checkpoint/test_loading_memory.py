"""Weights are read straight into place: little memory beside their own."""

import json
import subprocess
import sys

import pytest

from gptcli.checkpoint.config_json import model_config_json
from gptcli.checkpoint.layout import file_layout
from gptcli.config.model import ModelConfig
from gptcli.families.registry import FAMILIES

SIZES = {"n_layer": 4, "n_head": 8, "n_embd": 1024, "block_size": 64, "vocab_size": 5000}
MEASURE = """
import re, sys
from pathlib import Path
from gptcli.checkpoint.config_json import read_model_config
from gptcli.checkpoint.tensors import load_weights
from gptcli.model.initialization import model_with, shape_of_model
directory = Path(sys.argv[1])
config = read_model_config(directory)
shape_of_model(config)  # has torch import what it only now needs

def resident(what):  # not ru_maxrss: it begins at what the parent had
    return 1024 * int(re.search(what + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

before = resident("VmRSS")
model = model_with(config, load_weights(directory, config))
print((resident("VmHWM") - before) / sum(p.nbytes for p in model.parameters()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("family", "dtype"), [("gpt2", "F32"), ("llama", "BF16")])
def test_loading_needs_a_tenth_more_than_the_weights(tmp_path, family: str, dtype: str) -> None:
    config = ModelConfig(**SIZES, **FAMILIES[family].switches)
    (tmp_path / "config.json").write_text(json.dumps(model_config_json(config)))
    header, end, item = {}, 0, {"F32": 4, "BF16": 2}[dtype]
    for entry in file_layout(config):
        rows, columns = (*entry.file_shape, 1)[:2]
        offsets = [end, end + rows * columns * item]
        header[entry.name] = {"dtype": dtype, "shape": entry.file_shape, "data_offsets": offsets}
        end = offsets[1]
    encoded = json.dumps(header).encode()
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        file.truncate(8 + len(encoded) + end)
    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0.9 < float(done.stdout) < 1.1
