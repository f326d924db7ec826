"""``gptcli sample``: text from a model."""

from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType

from gptcli.commands.options import OutputRequest, checkpoint_argument, device_option, option
from gptcli.commands.view.answer import Answer
from gptcli.config.sampling import OVERFLOWS, SamplingConfig
from gptcli.config.training import PRECISIONS
from gptcli.errors import UsageError

_DRAWING, _ENDING = "What is drawn", "Where it ends"
_SHOWING, _COMPUTING = "What is shown", "How it is computed"


@dataclass(frozen=True)
class SampleRequest(OutputRequest):
    """A model, a prompt, how tokens are drawn and how the text is shown.

    The fields that SamplingConfig has too take their defaults from it.
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
        "Text to go on from; - is stdin. Default: an end of text, or a line break."
    )
    prompt_file: Path | None = option("A file with the prompt; - is stdin.")
    skip_unknown: bool = option(
        "Leave out the prompt's characters that have no token.", default=False
    )
    interactive: bool = option(
        "Write, type, write on: Ctrl-C stops a text, Ctrl-D leaves.",
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
        "Show text as it is written. Default: a single text on stdout.",
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
        "int8: weights of one byte, written faster; eval --quantize says what it costs.",
        panel=_COMPUTING,
        choices=("int8",),
    )
    compile_step: bool = option(
        "On the CPU: make the fast step for this kind of model, used from then on.",
        "--compile",
        default=False,
        panel=_COMPUTING,
    )
    temperature: float = option(
        "0 always takes the likeliest token.",
        "--temperature",
        "-t",
        default=SamplingConfig.temperature,
        panel=_DRAWING,
    )
    top_k: int | None = option(
        "Draw from the k likeliest tokens.", default=SamplingConfig.top_k, panel=_DRAWING
    )
    top_p: float = option(
        "Draw from the fewest likely tokens that have it together.",
        default=SamplingConfig.top_p,
        panel=_DRAWING,
    )
    min_p: float = option(
        "Leave out what is less likely than this times the likeliest.",
        default=SamplingConfig.min_p,
        panel=_DRAWING,
    )
    repetition_penalty: float = option(
        "Above 1: what occurred becomes less likely.",
        default=SamplingConfig.repetition_penalty,
        panel=_DRAWING,
    )
    seed: int = option(
        "The same seed writes the same text.", default=SamplingConfig.seed, panel=_DRAWING
    )
    num_samples: int = option(
        "Texts to write, each with its own stream.",
        default=SamplingConfig.num_samples,
        panel=_DRAWING,
    )
    max_new_tokens: int = option(
        "Tokens to write after the prompt.",
        "--max-new-tokens",
        "-n",
        default=SamplingConfig.max_new_tokens,
        panel=_ENDING,
    )
    stop: list[str] | None = option("End before this text; may be repeated.", panel=_ENDING)
    ignore_eos: bool = option(
        "Go on after an end-of-text token.", default=SamplingConfig.ignore_eos, panel=_ENDING
    )
    overflow: str = option(
        "Beyond the context: window (it moves) or error.",
        default=SamplingConfig.overflow,
        panel=_ENDING,
        choices=OVERFLOWS,
    )
    logprobs: int | None = option(
        "With --json: of each token, and of the N likeliest.",
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
        """How tokens are drawn; UsageError where a value cannot be meant."""
        values = {one.name: getattr(self, one.name) for one in fields(SamplingConfig)}
        return SamplingConfig(**values | {"stop": tuple(self.stop or ())})

    @property
    def reads_stdin(self) -> bool:
        """Whether the prompt is piped in."""
        return "-" in (self.prompt, str(self.prompt_file))

    @property
    def is_streamed(self) -> bool:
        """Whether the text is shown as it is written: a single one on stdout, unless forbidden."""
        return self.out is None and self.stream is not False and self.num_samples == 1

    def _check_stream(self) -> None:
        """What streams is a single text on stdout, and a conversation always does."""
        if self.stream:
            for other in ("num_samples", "json_output", "out"):
                self._check_exclusive("stream", other)
        else:
            self._check_exclusive("interactive", "stream")


def sample(request: SampleRequest) -> Answer | None:
    """Write text with a trained model.

    A single text streams to stdout as it is written. Past the context the model sees a
    window: when it is full, its last half is kept.
    """
    from gptcli.commands.sample.run import run

    return run(request)
