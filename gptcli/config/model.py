"""What a GPT is made of, in one frozen object."""

from dataclasses import dataclass
from typing import Literal, get_args

from gptcli.config.checks import check_choice, check_fraction, check_whole
from gptcli.errors import UsageError

Activation = Literal["gelu_tanh", "gelu", "relu"]
ACTIVATIONS: tuple[str, ...] = get_args(Activation)

INIT_STD = 0.02  # of all weights but those that write to the residual stream
NORM_EPSILON = 1e-5
# Far beyond every model; all of them at once stay below 10^18 parameters.
LARGEST_SIZES = {
    "n_layer": 10_000,
    "n_head": 10**6,
    "n_embd": 10**6,
    "block_size": 10**9,
    "vocab_size": 10**9,
}


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a GPT and the few switches between the family members.

    ``bias`` governs the biases of every linear layer in a block and of the norms,
    ``qkv_bias`` those of query, key and value alone (the lecture leaves them out).
    ``dropout`` acts on attention weights and on what attention and MLP add to the
    residual stream.
    """

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    vocab_size: int
    dropout: float = 0.0
    activation: Activation = "gelu_tanh"
    bias: bool = True
    qkv_bias: bool = True
    lm_head_bias: bool = False
    tied: bool = True

    def __post_init__(self) -> None:
        for name, most in LARGEST_SIZES.items():
            check_whole(name, getattr(self, name), 1, most)
        for name in ("bias", "qkv_bias", "lm_head_bias", "tied"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} must be true or false, not {getattr(self, name)!r:.40}")
        if self.n_embd % self.n_head:
            raise UsageError(_heads_message(self.n_head, self.n_embd))
        check_fraction("dropout", self.dropout, 0.1)
        check_choice("activation", self.activation, ACTIVATIONS)

    @property
    def head_size(self) -> int:
        """Width of one head's query, key and value."""
        return self.n_embd // self.n_head

    @property
    def n_inner(self) -> int:
        """Width of the MLP's hidden layer."""
        return 4 * self.n_embd

    @property
    def model_type(self) -> str:
        """Name in config.json: ``gpt2`` where transformers can build it, else our own."""
        return "gptcli-lecture" if self.lm_head_bias else "gpt2"


def _heads_message(n_head: int, n_embd: int) -> str:
    divisors = [n for n in range(1, min(n_embd, 4 * n_head) + 1) if n_embd % n == 0]
    nearest = min(divisors, key=lambda n: abs(n - n_head))
    wider = -(-n_embd // n_head) * n_head
    return (
        f"--n-head {n_head} does not divide --n-embd {n_embd}: "
        f"try --n-head {nearest} or --n-embd {wider}"
    )
