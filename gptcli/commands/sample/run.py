"""Runs ``sample``: streams a text, shows several at once, explains tokens, or converses."""

from collections.abc import Iterator
from functools import partial
from itertools import chain

from gptcli.commands.choices import chosen_model
from gptcli.commands.computing import opened_model
from gptcli.commands.sample.command import SampleRequest
from gptcli.commands.sample.compiling import compile_with_notes, suggest_compiling
from gptcli.commands.sample.document import samples_document
from gptcli.commands.sample.explain import explained
from gptcli.commands.sample.interactive import converse
from gptcli.commands.sample.prompt_source import announce_window, begun, read_prompt
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.progress_bar import progress
from gptcli.commands.view.terminal import detail
from gptcli.generation.generator import TextGenerator
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import ContextUse, Prompt
from gptcli.runtime.device import memory_errors

_BETWEEN = "\n---------------\n"
_REMEDY = "try a smaller --num-samples"


def run(request: SampleRequest) -> Answer | None:
    """Load the model and prepare its answer; None after a conversation, already shown."""
    config = request.sampling_config()
    source = read_prompt(request)
    loaded = opened_model(
        chosen_model(request.checkpoint), request.device, request.precision, request.quantize
    )
    config.check_fits(loaded.tokenizer.vocab_size)
    with memory_errors(_REMEDY):
        if request.compile_step:
            compile_with_notes(loaded, config.num_samples)
        if request.interactive:
            converse(loaded, config, source, request.skip_unknown)
            return None
        answer = _answer(request, loaded, begun(loaded, source, request.skip_unknown))
    answer.resources.enter_context(memory_errors(_REMEDY))
    return answer


def _answer(request: SampleRequest, loaded: LoadedModel, start: Prompt) -> Answer:
    """The answer in every form; the text is generated when one of them is written."""
    config = request.sampling_config()
    context = loaded.model.config.block_size
    announce_window(ContextUse(len(start.ids), config.max_new_tokens, context), config.overflow)
    generator = TextGenerator(loaded, start.ids, config)

    def document() -> Document:
        _finish(generator, config.max_new_tokens)
        return samples_document(start, generator, config, loaded.tokenizer)

    growing = chain([start.text], generator.pieces())
    whole = _whole_texts(start, generator, config.max_new_tokens)
    return Answer(
        "gptcli.samples/1",
        document,
        drawing=partial(explained, loaded, generator, config, start) if request.explain else None,
        pieces=None if request.explain else growing if request.is_streamed else whole,
        after=partial(_report_speed, loaded, generator),
    )


def _whole_texts(start: Prompt, generator: TextGenerator, most_steps: int) -> Iterator[str]:
    """All samples in one piece, after the last of them has ended."""
    _finish(generator, most_steps)
    yield _BETWEEN.join(start.text + sample.text for sample in generator.samples)


def _finish(generator: TextGenerator, most_steps: int) -> None:
    with progress("writing", most_steps, "tokens") as advance:
        for _ in generator.steps():
            advance(1)


def _report_speed(loaded: LoadedModel, generator: TextGenerator) -> None:
    how = (
        "by a compiled step" if generator.decoder.is_compiled else "by a step that is not compiled"
    )
    detail(f"{generator.n_tokens:,} tokens, {generator.tokens_per_second:,.1f} per second, {how}")
    suggest_compiling(loaded, generator)
