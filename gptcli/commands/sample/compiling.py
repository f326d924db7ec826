"""``sample --compile``: compiles the decoding step, once for all runs."""

import shutil

from gptcli.commands.view.terminal import note
from gptcli.errors import ResourceError
from gptcli.fast.compiled import can_compile, compile_step, find_step
from gptcli.generation.generator import TextGenerator
from gptcli.generation.loaded_model import LoadedModel

_LONG = 20.0  # seconds
_COMPILERS = ("g++", "clang++")


def compile_with_notes(loaded: LoadedModel, num_samples: int) -> None:
    """Compile unless it was done before; if that is impossible, tell the user and go on."""
    if not can_compile(loaded.model):
        note("--compile is for models on the CPU with attention and a context: going on without")
    elif find_step(loaded.model, num_samples) is None:
        note(
            "compiling the decoding step: about half a minute, once for this kind of model, its "
            "precision and --num-samples"
        )
        try:
            compile_step(loaded.model, num_samples)
        except ResourceError as error:
            note(f"{error}: going on without")


def suggest_compiling(loaded: LoadedModel, generator: TextGenerator) -> None:
    """Recommend --compile after a generation that took long without it."""
    is_missed = not generator.decoder.is_compiled and can_compile(loaded.model)
    if is_missed and generator.seconds > _LONG and any(map(shutil.which, _COMPILERS)):
        note("--compile makes this two to four times as fast, after half a minute or more")
