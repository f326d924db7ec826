"""Runs ``sample``: streams a text, shows several at once, explains tokens, or converses."""

import shutil
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

from gptcli.checkpoint.weights_step import step_document
from gptcli.commands.choices import chosen_model
from gptcli.commands.computing import opened_model
from gptcli.commands.sample.chat_prompt import answering_if_asked, asked
from gptcli.commands.sample.command import SampleRequest
from gptcli.commands.sample.explain import explained
from gptcli.commands.sample.interactive import converse, hold_chat
from gptcli.commands.sample.prompt_source import announce_window, begun, read_prompt
from gptcli.commands.sample.reversed_answers import reading_note, writes_reversed
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.progress_bar import progress
from gptcli.commands.view.terminal import detail, note
from gptcli.config.sampling import SamplingConfig
from gptcli.data.chat.chat_template import Message
from gptcli.errors import ResourceError
from gptcli.fast.compiled import can_compile, compile_step, find_step
from gptcli.generation.alternatives import Alternatives, Candidate
from gptcli.generation.generate import TextGenerator
from gptcli.generation.growing_text import GrowingText
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import ContextUse, Prompt
from gptcli.runtime.device import memory_errors
from gptcli.tokenization.tokenizer import Tokenizer

_BETWEEN = "\n---------------\n"
_LONG = 20.0  # seconds
_COMPILERS = ("g++", "clang++")


def run(request: SampleRequest) -> Answer | None:
    """Load the model and prepare its answer; None after a conversation, already shown."""
    config = request.sampling_config()
    source = read_prompt(request)
    loaded = opened_model(
        chosen_model(request.checkpoint, "gptcli sample --prompt"),
        request.device,
        request.precision,
        request.quantize,
    ).check_writes()
    config.check_fits(loaded.tokenizer.vocab_size - len(loaded.tokenizer.missing_ids))
    full = partial(memory_errors, *_memory_cause(config), loaded.device)
    with full():
        if request.compile_step:
            _compile(loaded, config.num_samples)
        chat = answering_if_asked(request, loaded, source)
        if request.interactive:
            if writes_reversed(loaded.directory):
                note(reading_note(()))
            if chat is None:
                converse(loaded, config, source, request.skip_unknown)
            else:
                hold_chat(request, chat, source)
            return None
        if chat is None:
            answer = _answer(request, loaded, begun(loaded, source, request.skip_unknown))
        else:
            answer = _answer(request, chat, asked(request, chat, source))
    answer.resources.enter_context(full())
    return answer


def _memory_cause(config: SamplingConfig) -> tuple[str, str]:
    """What takes the memory of a generation, and what to give instead."""
    cause = f"--num-samples {config.num_samples} and --max-new-tokens {config.max_new_tokens}"
    if config.num_samples > 1:
        return cause, f"try --num-samples {config.num_samples // 2}"
    return cause, "try a smaller --max-new-tokens, a shorter prompt or --precision bfloat16"


def _compile(loaded: LoadedModel, num_samples: int) -> None:
    """Compile unless it was done before; if that is impossible, tell the user and go on."""
    if not can_compile(loaded.model):
        note(
            "--compile needs a CPU and a model with attention and a context: continuing without it"
        )
    elif find_step(loaded.model, num_samples) is None:
        note(
            "compiling the decoding step: about half a minute, once for models of this shape, its "
            "precision and --num-samples"
        )
        try:
            compile_step(loaded.model, num_samples)
        except ResourceError as error:
            note(f"{error}: continuing without it")


def _answer(request: SampleRequest, loaded: LoadedModel, start: Prompt) -> Answer:
    """The answer in every form; the text is generated when one of them is written."""
    config = request.sampling_config()
    context = loaded.model.config.block_size
    announce_window(ContextUse(len(start.ids), config.max_new_tokens, context), config.overflow)
    generator = TextGenerator(loaded, start.ids, config)

    def document() -> Document:
        _finish(generator, config.max_new_tokens)
        return _document(start, generator, config, loaded)

    growing = chain([start.text], generator.pieces())
    whole = _whole_texts(start, generator, config.max_new_tokens)
    return Answer(
        "gptcli.samples/1",
        document,
        drawing=partial(explained, loaded, generator, config, start) if request.explain else None,
        pieces=None if request.explain else growing if request.is_streamed else whole,
        after=partial(_report, loaded, generator, start),
    )


def _document(
    prompt: Prompt, generator: TextGenerator, config: SamplingConfig, loaded: LoadedModel
) -> dict[str, Any]:
    """The document of all samples; ``tokens_per_second`` counts the tokens of all."""
    return {
        "model": loaded.directory.as_posix(),
        **step_document(loaded.step),
        "prompt": prompt.messages[-1].content if prompt.messages else prompt.text,
        **({"messages": [*map(_turn, prompt.messages)]} if prompt.messages else {}),
        "prompt_ids": prompt.ids,
        "seed": config.seed,
        "samples": list(_samples(prompt.text, generator, config, loaded.tokenizer)),
        "tokens_per_second": generator.tokens_per_second,
    }


def _turn(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _samples(
    prompt: str, generator: TextGenerator, config: SamplingConfig, tokenizer: Tokenizer
) -> Iterator[dict[str, Any]]:
    for sample, seen in zip(generator.samples, generator.logprobs, strict=True):
        entry = _sample(prompt, sample)
        if config.logprobs is not None:
            entry["logprobs"] = [_expected(one, tokenizer) for one in seen]
        yield entry


def _sample(prompt: str, sample: GrowingText) -> dict[str, Any]:
    return {
        "text": prompt + sample.text,
        "completion": sample.text,
        "ids": sample.ids,
        "finish_reason": sample.finish,
    }


def _expected(seen: Alternatives, tokenizer: Tokenizer) -> dict[str, Any]:
    top = [_candidate(one, tokenizer) for one in seen.top]
    return _candidate(seen.drawn, tokenizer) | {"top": top}


def _candidate(one: Candidate, tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "id": one.id,
        "token": tokenizer.piece(one.id),
        "rank": one.rank,
        "logprob": one.p,
    }


def _whole_texts(start: Prompt, generator: TextGenerator, most_steps: int) -> Iterator[str]:
    """All samples in one piece, after the last of them has ended."""
    _finish(generator, most_steps)
    yield _BETWEEN.join(start.text + sample.text for sample in generator.samples)


def _finish(generator: TextGenerator, most_steps: int) -> None:
    with progress("writing", most_steps, "tokens") as advance:
        for _ in generator.steps():
            advance(1)


def _report(loaded: LoadedModel, generator: TextGenerator, start: Prompt) -> None:
    """Tell how to read the answers, if that is not plain, and how fast they came."""
    if writes_reversed(loaded.directory):
        note(reading_note([start.text + sample.text for sample in generator.samples]))
    _report_speed(loaded, generator)


def _report_speed(loaded: LoadedModel, generator: TextGenerator) -> None:
    how = "with a compiled step" if generator.decoder.is_compiled else "without a compiled step"
    detail(f"{generator.n_tokens:,} tokens, {generator.tokens_per_second:,.1f} per second, {how}")
    _suggest_compiling(loaded, generator)


def _suggest_compiling(loaded: LoadedModel, generator: TextGenerator) -> None:
    """Recommend --compile after a generation that took long without it."""
    is_missed = not generator.decoder.is_compiled and can_compile(loaded.model)
    if is_missed and generator.seconds > _LONG and any(map(shutil.which, _COMPILERS)):
        note("--compile makes this two to four times as fast, after half a minute or more")
