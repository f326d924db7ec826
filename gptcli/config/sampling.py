"""The configuration of sampling in one frozen object; the defaults of ``gptcli sample``."""

from dataclasses import dataclass
from typing import Literal, get_args

from gptcli.config.checks import check_choice, check_not_negative, check_whole
from gptcli.errors import UsageError

Overflow = Literal["window", "error"]
OVERFLOWS: tuple[str, ...] = get_args(Overflow)


@dataclass(frozen=True)
class SamplingConfig:
    """How tokens are drawn and where a text ends; the defaults leave the distribution unchanged.

    Temperature 0 is greedy. ``stop`` strings end a sample and do not belong to its text.
    ``logprobs`` N also keeps the N likeliest tokens of each step by the model's own distribution.
    ``overflow`` is what happens beyond the context: a moving window, or an error.
    """

    max_new_tokens: int = 500
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    num_samples: int = 1
    seed: int = 1337
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    logprobs: int | None = None
    overflow: Overflow = "window"

    def __post_init__(self) -> None:
        check_not_negative("temperature", self.temperature)
        check_whole("max_new_tokens", self.max_new_tokens, 0)
        check_whole("num_samples", self.num_samples, 1, 10**5)
        check_whole("seed", self.seed, 0, 2**63)
        if self.top_k is not None:
            check_whole("top_k", self.top_k, 1)
        if not 0 < self.top_p <= 1:
            raise UsageError(
                f"--top-p must be greater than 0 and at most 1, not {self.top_p}: try --top-p 0.95"
            )
        if not 0 <= self.min_p <= 1:
            raise UsageError(f"--min-p must be between 0 and 1, not {self.min_p}: try --min-p 0.05")
        if not 0.01 <= self.repetition_penalty <= 100:
            raise UsageError(
                "--repetition-penalty must be between 0.01 and 100, not "
                f"{self.repetition_penalty}: try --repetition-penalty 1.2"
            )
        if "" in self.stop:
            raise UsageError('--stop "" would end every text at once: leave it out')
        if self.logprobs is not None:
            check_whole("logprobs", self.logprobs, 0)
        check_choice("overflow", self.overflow, OVERFLOWS)

    def check_fits(self, vocab_size: int) -> None:
        """Raise UsageError where a value is larger than the vocabulary."""
        for flag, value in (("--top-k", self.top_k), ("--logprobs", self.logprobs)):
            if value is not None and value > vocab_size:
                raise UsageError(
                    f"{flag} {value:,} is more than the {vocab_size:,} tokens of the vocabulary: "
                    f"try {flag} {vocab_size}"
                )
