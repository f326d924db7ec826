"""The ways to show samples: as they are written, token by token, as texts or as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from gptcli.commands.sample.compiling import suggest_compiling
from gptcli.commands.sample.prompt import announce_window
from gptcli.commands.sample.stream import for_stdout, show
from gptcli.commands.view.legacy import deliver, results
from gptcli.commands.view.progress import progress
from gptcli.commands.view.terminal import detail
from gptcli.config.sampling import SamplingConfig
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from gptcli.commands.view.legacy import Page
    from gptcli.generation.generator import TextGenerator
    from gptcli.generation.loaded_model import LoadedModel
    from gptcli.generation.prompt import Prompt

_BETWEEN = "\n---------------\n"
_FILE_WIDTH = 80
_EXCLUDED = {
    "--stream": ("--num-samples", "--json", "--out"),
    "--explain": ("--num-samples", "--json", "--interactive"),
    "--interactive": ("--num-samples", "--json", "--out", "--no-stream"),
}


@dataclass(frozen=True)
class Showing:
    """What the flags say about it; ``stream`` None leaves it to the others."""

    interactive: bool
    explain: bool
    stream: bool | None
    json_output: bool
    out: "Path | None"
    overwrite: bool

    def check(self, config: SamplingConfig) -> None:
        """UsageError where two flags exclude each other, or one lacks another."""
        given = {
            "--interactive": self.interactive,
            "--explain": self.explain,
            "--stream": self.stream is True,
            "--no-stream": self.stream is False,
            "--json": self.json_output,
            "--out": self.out is not None,
            "--num-samples": config.num_samples > 1,
        }
        for one, others in _EXCLUDED.items():
            for other in others:
                if given[one] and given[other]:
                    raise UsageError(f"{one} and {other} exclude each other: leave one out")
        if config.logprobs is not None and not self.json_output:
            raise UsageError("--logprobs needs --json; --explain shows them as bars")

    def is_streamed(self, config: SamplingConfig) -> bool:
        """Whether a text is shown as it is written: one alone on stdout is, unless forbidden."""
        is_text = not self.json_output and self.out is None
        return is_text and self.stream is not False and config.num_samples == 1


def write(loaded: "LoadedModel", start: "Prompt", config: SamplingConfig, showing: Showing) -> None:
    """Generate and show."""
    from gptcli.generation.generator import TextGenerator
    from gptcli.generation.prompt import ContextUse

    context = loaded.model.config.block_size
    announce_window(ContextUse(len(start.ids), config.max_new_tokens, context), config.overflow)
    writer = TextGenerator(loaded, start.ids, config)
    if showing.explain:
        _explain(loaded, start, writer, config, showing)
    elif showing.is_streamed(config):
        show(chain([start.text], writer.pieces()))
    else:
        _collect(loaded, start, writer, config, showing)
    how = "by a compiled step" if writer.reader.is_compiled else "by a step that is not compiled"
    detail(f"{writer.n_tokens:,} tokens, {writer.tokens_per_second:,.1f} per second, {how}")
    suggest_compiling(loaded, writer)


def _collect(
    loaded: "LoadedModel",
    start: "Prompt",
    writer: "TextGenerator",
    config: SamplingConfig,
    showing: Showing,
) -> None:
    with progress("writing", config.max_new_tokens, "tokens") as advance:
        for _ in writer.steps():
            advance(1)
    if showing.json_output:
        from gptcli.commands.sample.document import samples_json

        text = samples_json(start, writer, config, loaded.tokenizer)
    else:
        text = _BETWEEN.join(start.text + sample.text for sample in writer.samples)
        text = text if showing.out is not None else for_stdout(text)
    deliver(text, showing.out, showing.overwrite)


def _explain(
    loaded: "LoadedModel",
    start: "Prompt",
    writer: "TextGenerator",
    config: SamplingConfig,
    showing: Showing,
) -> None:
    """Each token's lines, then the text; into a file without colours."""
    from gptcli.commands.sample.explain import explained
    from gptcli.commands.view.legacy import Page
    from gptcli.tokenization.vocabulary import Vocabulary

    console = results()
    page = Page.of(console) if showing.out is None else Page(_FILE_WIDTH, in_colour=False)
    lines = explained(writer, config, Vocabulary(loaded.tokenizer), page)
    if showing.out is None:
        _print_lines(lines, page)
        show(["\n", start.text, writer.samples[0].text])
        return
    view = [line.plain.rstrip() for line in lines]
    text = "\n".join([*view, "", start.text + writer.samples[0].text])
    deliver(text, showing.out, showing.overwrite)


def _print_lines(lines: "Iterator[Text]", page: "Page") -> None:
    console = results()
    for line in lines:
        if page.in_colour:
            console.print(line, soft_wrap=True)
        else:
            show([line.plain.rstrip()])
