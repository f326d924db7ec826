"""How text is drawn from a GPT, in one frozen object; the defaults of ``gptcli sample``."""

from dataclasses import dataclass

from gptcli.config.checks import check_not_negative, check_whole


@dataclass(frozen=True)
class SamplingConfig:
    """Temperature 0 is greedy; ``top_k`` None keeps the whole vocabulary."""

    max_new_tokens: int = 500
    temperature: float = 1.0
    top_k: int | None = None
    num_samples: int = 1
    seed: int = 1337

    def __post_init__(self) -> None:
        check_not_negative("temperature", self.temperature)
        check_whole("max_new_tokens", self.max_new_tokens, 0)
        check_whole("num_samples", self.num_samples, 1)
        check_whole("seed", self.seed, 0, 2**63)
        if self.top_k is not None:
            check_whole("top_k", self.top_k, 1)
