"""``gptcli sample``: generates text with a model."""

from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType

from gptcli.commands.options import OutputRequest, checkpoint_argument, device_option, option
from gptcli.commands.view.answer import Answer
from gptcli.config.sampling import OVERFLOWS, SamplingConfig
from gptcli.config.training import PRECISIONS
from gptcli.data.source_text import STDIN
from gptcli.errors import UsageError

_DRAWING, _ENDING = "How tokens are drawn", "Where a text ends"
_SHOWING, _COMPUTING = "What is shown", "How it is computed"


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
        "Text to continue; - is stdin. Default: an end-of-text token, or a line break."
    )
    prompt_file: Path | None = option("A file with the prompt; - is stdin.")
    skip_unknown: bool = option(
        "Remove characters that have no token from the prompt.", default=False
    )
    interactive: bool = option(
        "Write a text in turns with the model: Ctrl-C stops its turn, Ctrl-D ends.",
        "--interactive",
        "-i",
        default=False,
        panel=_SHOWING,
    )
    explain: bool = option(
        "Show for each token the likeliest five, and which was drawn.",
        default=False,
        panel=_SHOWING,
    )
    stream: bool | None = option(
        "Show text while it is generated. Default: for a single text on stdout.",
        "--stream/--no-stream",
        panel=_SHOWING,
    )
    device: str = device_option()
    precision: str = option(
        "float32, bfloat16, or auto as in train.",
        default="float32",
        panel=_COMPUTING,
        choices=("auto", *PRECISIONS),
    )
    quantize: str | None = option(
        "int8: weights of one byte, for speed; eval --quantize measures what it costs.",
        panel=_COMPUTING,
        choices=("int8",),
    )
    compile_step: bool = option(
        "On the CPU: compile the decoding step for this kind of model, once for all runs.",
        "--compile",
        default=False,
        panel=_COMPUTING,
    )
    temperature: float = option(
        "Temperature; 0 always takes the likeliest token.",
        "--temperature",
        "-t",
        default=SamplingConfig.temperature,
        panel=_DRAWING,
    )
    top_k: int | None = option(
        "Draw from the k likeliest tokens.", default=SamplingConfig.top_k, panel=_DRAWING
    )
    top_p: float = option(
        "Draw from the smallest set of likeliest tokens with this probability in all.",
        default=SamplingConfig.top_p,
        panel=_DRAWING,
    )
    min_p: float = option(
        "Leave out tokens that are less likely than this times the likeliest.",
        default=SamplingConfig.min_p,
        panel=_DRAWING,
    )
    repetition_penalty: float = option(
        "Above 1: tokens that have occurred become less likely.",
        default=SamplingConfig.repetition_penalty,
        panel=_DRAWING,
    )
    seed: int = option(
        "The same seed gives the same text.", default=SamplingConfig.seed, panel=_DRAWING
    )
    num_samples: int = option(
        "Number of texts, each with its own random numbers.",
        default=SamplingConfig.num_samples,
        panel=_DRAWING,
    )
    max_new_tokens: int = option(
        "Tokens to generate after the prompt.",
        "--max-new-tokens",
        "-n",
        default=SamplingConfig.max_new_tokens,
        panel=_ENDING,
    )
    stop: list[str] | None = option("Stop before this string; may be repeated.", panel=_ENDING)
    ignore_eos: bool = option(
        "Continue after an end-of-text token.", default=SamplingConfig.ignore_eos, panel=_ENDING
    )
    overflow: str = option(
        "Beyond the context: a moving window, or an error.",
        default=SamplingConfig.overflow,
        panel=_ENDING,
        choices=OVERFLOWS,
    )
    logprobs: int | None = option(
        "With --json: log-probabilities of each token and of the N likeliest.",
        default=SamplingConfig.logprobs,
        panel=_SHOWING,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sampling_config()
        self._check_stream()
        if self.interactive and self.reads_stdin:
            raise UsageError("--interactive reads stdin itself: give the prompt in another way")

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

    A single text streams to stdout. Beyond the context the model sees a moving window: when it
    is full, its last half is kept.
    """
    from gptcli.commands.sample.run import run

    return run(request)
