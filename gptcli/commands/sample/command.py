"""``gptcli sample``: generates text with a model."""

from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Self

from gptcli.commands.options import OutputRequest, checkpoint_argument, device_option, option
from gptcli.commands.view.answer import Answer
from gptcli.commands.waiting import give_way
from gptcli.commands.word_meaning import check_file, check_text, understood_checkpoint
from gptcli.config.sampling import OVERFLOWS, SamplingConfig
from gptcli.config.training import PRECISIONS
from gptcli.data.source_text import STDIN
from gptcli.errors import UsageError

_DRAWING, _ENDING = "Sampling", "When to stop"
_SHOWING, _COMPUTING = "What is shown", "Computation"


@dataclass(frozen=True)
class SampleRequest(OutputRequest):
    """A model, a prompt, how tokens are drawn and how the text is shown.

    The fields that SamplingConfig also has take their defaults from it.
    """

    formats = ("text", "json")
    exclusive = (
        ("prompt", "prompt_file"),
        ("explain", "interactive", "num_samples"),
        ("explain", "interactive", "json_output"),
        ("interactive", "out"),
    )
    needs = MappingProxyType({"logprobs": ("json_output",)})

    checkpoint: Path | None = checkpoint_argument()
    prompt: str | None = option(
        "The text to continue; - reads stdin. Default: start after the token that begins a text, "
        "else an end-of-text token, else a line break."
    )
    prompt_file: Path | None = option("A file with the prompt; - reads stdin.", check=check_file)
    skip_unknown: bool = option(
        "Remove characters from the prompt that are not in the vocabulary.", default=False
    )
    chat: bool | None = option(
        "Whether the prompt is a question, written as the model's chat template says, and its "
        "answer alone is shown. Default: where the model has a chat template.",
        "--chat/--no-chat",
    )
    system: str | None = option("What the chat template tells the model before the first question.")
    interactive: bool = option(
        "Take turns writing with the model: Ctrl-C ends its turn, Ctrl-D ends the session.",
        "--interactive",
        "-i",
        default=False,
        panel=_SHOWING,
    )
    explain: bool = option(
        "Show the five most likely candidates for each token, and which one was drawn.",
        default=False,
        panel=_SHOWING,
    )
    stream: bool | None = option(
        "Print text as it is generated. Default: on for a single text on stdout.",
        "--stream/--no-stream",
        panel=_SHOWING,
    )
    device: str = device_option()
    precision: str = option(
        "Number format of the computation: float32, bfloat16 or auto (as in train).",
        default="float32",
        panel=_COMPUTING,
        choices=("auto", *PRECISIONS),
    )
    quantize: str | None = option(
        "int8: store the weights as 8-bit integers, for speed; eval --quantize measures the loss "
        "of quality.",
        panel=_COMPUTING,
        choices=("int8",),
    )
    compile_step: bool = option(
        "On the CPU: compile the decoding step for models of this shape, once for all runs.",
        "--compile",
        default=False,
        panel=_COMPUTING,
    )
    temperature: float = option(
        "Divides the logits: lower is safer, higher is wilder; 0 always takes the likeliest token.",
        "--temperature",
        "-t",
        default=SamplingConfig.temperature,
        panel=_DRAWING,
    )
    top_k: int | None = option(
        "Sample from the K most likely tokens only.", default=SamplingConfig.top_k, panel=_DRAWING
    )
    top_p: float = option(
        "Nucleus sampling: keep the smallest set of tokens whose probabilities sum to at least P.",
        default=SamplingConfig.top_p,
        panel=_DRAWING,
    )
    min_p: float = option(
        "Drop tokens whose probability is below this fraction of the most likely one's.",
        default=SamplingConfig.min_p,
        panel=_DRAWING,
    )
    repetition_penalty: float = option(
        "Values above 1 make tokens that already occurred less likely; 1 is off.",
        default=SamplingConfig.repetition_penalty,
        panel=_DRAWING,
    )
    seed: int = option(
        "Random seed: the same seed gives the same text.",
        default=SamplingConfig.seed,
        panel=_DRAWING,
    )
    num_samples: int = option(
        "Number of texts to generate, each with its own random stream.",
        default=SamplingConfig.num_samples,
        panel=_DRAWING,
    )
    max_new_tokens: int = option(
        "Number of tokens to generate after the prompt.",
        "--max-new-tokens",
        "-n",
        default=SamplingConfig.max_new_tokens,
        panel=_ENDING,
    )
    stop: list[str] | None = option("Stop before this string. May be repeated.", panel=_ENDING)
    ignore_eos: bool = option(
        "Do not stop at an end-of-text token.", default=SamplingConfig.ignore_eos, panel=_ENDING
    )
    overflow: str = option(
        "What to do when the text outgrows the context: window (keep going with the latest "
        "tokens) or error.",
        default=SamplingConfig.overflow,
        panel=_ENDING,
        choices=OVERFLOWS,
    )
    logprobs: int | None = option(
        "With --json: the log-probability of each token and of the N most likely ones.",
        default=SamplingConfig.logprobs,
        panel=_SHOWING,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sampling_config()
        self._check_stream()
        if self.chat is False:
            self._check_exclusive("chat", "system")
        if self.interactive and self.reads_stdin:
            raise UsageError("--interactive reads stdin itself: give the prompt in another way")

    def understood(self) -> Self:
        """The request with a prompt's file in its own place, if it was given as the model."""
        check_text(self.prompt, "--prompt", "--prompt-file")
        if self.checkpoint is None:
            return self
        return understood_checkpoint(
            self, str(self.checkpoint), "prompt_file", "gptcli sample --prompt", dataset=None
        )

    @property
    def is_free_text(self) -> bool:
        """Whether the answer is text; a model may write any kind of file."""
        return True

    def sampling_config(self) -> SamplingConfig:
        """How tokens are drawn; UsageError where a value is not allowed."""
        values = {one.name: getattr(self, one.name) for one in fields(SamplingConfig)}
        return SamplingConfig(**values | {"stop": tuple(self.stop or ())})

    @property
    def reads_stdin(self) -> bool:
        """Whether the prompt is read from stdin."""
        return STDIN in (self.prompt, str(self.prompt_file))

    @property
    def is_streamed(self) -> bool:
        """Whether text is shown while it is generated: a single text, unless forbidden."""
        return self.out is None and self.stream is not False and self.num_samples == 1

    def _check_stream(self) -> None:
        """Allow streaming for a single text on stdout alone; a conversation always streams."""
        if self.stream:
            for other in ("num_samples", "json_output", "out"):
                self._check_exclusive("stream", other)
        else:
            self._check_exclusive("interactive", "stream")


def sample(request: SampleRequest) -> Answer | None:
    """Generate text with a trained model.

    A single text is printed as it is generated. A model with a chat template answers the prompt,
    any other continues it. When the text outgrows the context, the model sees its latest tokens:
    each time the window is full, its last half is kept.
    """
    give_way()
    from gptcli.commands.sample.run import run

    return run(request)
