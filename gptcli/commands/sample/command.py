"""``gptcli sample``: text from a model."""

from typing import Any

from gptcli.commands.legacy_options import Checkpoint, Device, Json, Out, Overwrite, with_options
from gptcli.commands.sample.flags import (
    Compile,
    Explain,
    Interactive,
    PromptFile,
    PromptText,
    Quantize,
    SamplePrecision,
    SkipUnknown,
    Stream,
    sampling_config,
    sampling_flags,
)
from gptcli.commands.sample.prompt import begun, read_prompt
from gptcli.commands.sample.showing import Showing, write
from gptcli.commands.view.legacy import check_out


def sample(
    checkpoint: Checkpoint = None,
    prompt: PromptText = None,
    prompt_file: PromptFile = None,
    skip_unknown: SkipUnknown = False,
    interactive: Interactive = False,
    explain: Explain = False,
    stream: Stream = None,
    device: Device = "auto",
    precision: SamplePrecision = "float32",
    quantize: Quantize = None,
    compile_step: Compile = False,
    json_output: Json = False,
    out: Out = None,
    overwrite: Overwrite = False,
    **flags: Any,
) -> None:
    """Write text with a trained model.

    A single text streams to stdout as it is written. Past the context the model sees a
    window: when it is full, its last half is kept.
    """
    from gptcli.commands.choices import chosen_model, opened_model
    from gptcli.runtime.device import memory_errors

    config = sampling_config(flags)
    showing = Showing(interactive, explain, stream, json_output, out, overwrite)
    showing.check(config)
    check_out(out, overwrite)
    source = read_prompt(prompt, prompt_file, interactive)
    loaded = opened_model(chosen_model(checkpoint), device, precision, quantize)
    config.check_fits(loaded.tokenizer.vocab_size)
    with memory_errors("try a smaller --num-samples"):
        if compile_step:
            from gptcli.commands.sample.compiling import compile_aloud

            compile_aloud(loaded, config.num_samples)
        if interactive:
            from gptcli.commands.sample.interactive import converse

            converse(loaded, config, source, skip_unknown)
        else:
            write(loaded, begun(loaded, source, skip_unknown), config, showing)


sample_command = with_options(sample, sampling_flags(), None)
