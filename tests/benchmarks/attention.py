"""All metrics of all heads of GPT-2, beside one eager forward of transformers with its patterns.

Both read the same 1,024 ids with the same random weights, in turn and in processes of their own;
a process times its third reading, and tells by how much its memory grew beyond its model.
"""

import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.families.registry import PRESETS
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer
from tests.benchmarks.contestants import output
from tests.benchmarks.machine import print_title
from tests.benchmarks.timing import spread, take_turns

_MEASURE = """
import re, sys, time, torch
from pathlib import Path

def memory(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

torch.manual_seed(1)
ids = torch.randint(50257, (1024,)).tolist()
{prepare}
read()
Path("/proc/self/clear_refs").write_text("5")
before = memory("VmRSS")
read()
grown = memory("VmHWM") - before
started = time.perf_counter()
read()
print(time.perf_counter() - started, grown)
"""

_OURS = """
from gptcli.generation.loaded_model import load_model
from gptcli.inspection.capture import record
from gptcli.inspection.report import report_attention
loaded = load_model(Path(sys.argv[1]), "cpu")
read = lambda: report_attention(loaded, record(loaded.model, ids))
"""

_THEIRS = """
from transformers import GPT2LMHeadModel
model = GPT2LMHeadModel.from_pretrained(sys.argv[1], attn_implementation="eager").eval()
read = torch.no_grad()(lambda: model(torch.tensor([ids]), output_attentions=True))
"""

_CONTESTANTS = {"gptcli": _OURS, "transformers, eager": _THEIRS}
_ROUNDS = 5


def run(folder: Path, rounds: int | None = None) -> None:
    """Print seconds, memory and their ratio; twice the time of the other is the aim."""
    config = PRESETS["gpt2"].model
    weights = new_model(config, 0).state_dict()
    (folder / "gpt2").mkdir()
    write_description(folder / "gpt2", config, character_tokenizer("abc"))
    save_weights(folder / "gpt2" / "model.safetensors", weights, config)
    memory = {name: list[float]() for name in _CONTESTANTS}

    def measure(name: str) -> float:
        script = _MEASURE.format(prepare=_CONTESTANTS[name])
        command = [sys.executable, "-c", script, str(folder / "gpt2")]
        seconds, grown = map(float, output(command, folder).split())
        memory[name].append(grown)
        return seconds

    contestants: dict[str, Callable[[], float]] = {
        name: partial(measure, name) for name in _CONTESTANTS
    }
    seconds = take_turns(contestants, rounds or _ROUNDS)
    print_title("attention: GPT-2's shape, 1,024 tokens, all metrics of 144 heads")
    for name, values in seconds.items():
        peak = statistics.median(memory[name])
        print(f"  {name:<20}{spread(values, 1000, ' ms'):<34}{peak:,.0f} MB beyond the model")
    ours, theirs = (statistics.median(values) for values in seconds.values())
    print(f"  {ours / theirs:.2f}x the time")
