"""Normalisation: of the residual stream before each part of a block, and of single heads."""

from torch import nn

from gptcli.config.model import ModelConfig


def make_norm(config: ModelConfig, size: int) -> nn.Module:
    """The model's kind of norm over the last ``size`` numbers: (..., size) -> (..., size).

    LayerNorm (Ba et al. 2016) subtracts the mean and has gain and bias; RMSNorm (Zhang and
    Sennrich 2019) has a gain, or with "plain_rms" no parameters.
    """
    if config.norm == "none":
        return nn.Identity()
    if config.norm == "layer":
        return nn.LayerNorm(size, config.norm_epsilon, bias=config.bias)
    return nn.RMSNorm(size, config.norm_epsilon, elementwise_affine=config.norm == "rms")
