"""The feed-forward half of a block: what each position does with what it has gathered."""

import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.config.model import Activation, ModelConfig
from gptcli.model.linear import Linear


class MLP(nn.Module):
    """Up to the inner width, a nonlinearity, and back down: (B, T, C) -> (B, T, C)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        self.up = Linear(config.n_embd, config.n_inner, bias=config.bias)
        self.down = Linear(config.n_inner, config.n_embd, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Acts on every position alone."""
        output: Tensor = self.dropout(self.down(activate(self.up(x), self.activation)))
        return output


def activate(x: Tensor, activation: Activation) -> Tensor:
    """Apply the named nonlinearity; GPT-2's GELU is the tanh form of Hendrycks and Gimpel."""
    if activation == "relu":
        return F.relu(x)
    return F.gelu(x, approximate="tanh" if activation == "gelu_tanh" else "none")
