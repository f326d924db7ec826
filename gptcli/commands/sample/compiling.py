"""``sample --compile``: machine code for the step that writes a token, made once and kept."""

import shutil

from gptcli.commands.view.terminal import note
from gptcli.errors import ResourceError
from gptcli.fast.compiled import can_compile, compile_step, find_step
from gptcli.generation.generator import TextGenerator
from gptcli.generation.loaded_model import LoadedModel

_LONG = 20.0  # seconds
_COMPILERS = ("g++", "clang++")


def compile_aloud(loaded: LoadedModel, num_samples: int) -> None:
    """Compile unless it was done before; where that cannot be, say so and go on without."""
    if not can_compile(loaded.model):
        note("--compile is for models on the CPU with attention and a context: going on without")
    elif find_step(loaded.model, num_samples) is None:
        note(
            "compiling the step that writes a token: about half a minute, once for this kind of "
            "model, its precision and --num-samples"
        )
        try:
            compile_step(loaded.model, num_samples)
        except ResourceError as error:
            note(f"{error}: going on without")


def suggest_compiling(loaded: LoadedModel, generator: TextGenerator) -> None:
    """Say that there is a faster way, where it took long without."""
    is_missed = not generator.decoder.is_compiled and can_compile(loaded.model)
    if is_missed and generator.seconds > _LONG and any(map(shutil.which, _COMPILERS)):
        note("--compile makes this two to four times as fast, after half a minute or more")
