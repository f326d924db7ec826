"""The feed-forward half of a block: what each position does with what it has gathered."""

import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.config.model import Activation, ModelConfig


class MLP(nn.Module):
    """Project up to the inner width, apply a nonlinearity, project back down."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        C, inner, bias = config.n_embd, config.inner_size, config.bias
        self.activation = config.activation
        self.up = nn.Linear(C, inner, bias=bias)
        self.gate = nn.Linear(C, inner, bias=bias) if config.gated else None
        self.down = nn.Linear(inner, C, bias=bias) if config.projections else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C); each position is computed by itself."""
        if self.gate is None:
            hidden = activate(self.up(x), self.activation)
        else:
            hidden = activate(self.gate(x), self.activation) * self.up(x)
        output: Tensor = self.dropout(self.down(hidden))
        return output


def activate(x: Tensor, activation: Activation) -> Tensor:
    """Apply the named nonlinearity; GPT-2's GELU is the tanh form of Hendrycks and Gimpel."""
    match activation:
        case "relu":
            return F.relu(x)
        case "relu_squared":
            return F.relu(x).square()
        case "silu":
            return F.silu(x)
    return F.gelu(x, approximate="tanh" if activation == "gelu_tanh" else "none")
