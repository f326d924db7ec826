"""The values between which a model's switches choose."""

from typing import Literal

Activation = Literal["gelu_tanh", "gelu", "relu", "relu_squared", "silu"]
Norm = Literal["layer", "rms", "plain_rms", "none"]
Positions = Literal["learned", "rotary", "none"]
