"""The memory of training and generation on one device, in bytes."""

from dataclasses import dataclass

from gptcli.accounting.activations import activation_and_gradient_peak, activation_peak
from gptcli.accounting.kv_cache import kv_cache_bytes_per_token
from gptcli.accounting.parameters import exact_count
from gptcli.accounting.workload import Workload
from gptcli.config.model import ModelConfig
from gptcli.config.optimizer_specs import ADAMW

_WEIGHT = _GRADIENT = 4  # float32, whatever the precision of matrix products
_STATE = ADAMW.bytes_per_parameter
TRAINING_BYTES_PER_PARAMETER = _WEIGHT + _GRADIENT + _STATE


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes of a training step; gradients replace activations, so ``peak`` is below the sum."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    peak: int


@dataclass(frozen=True)
class GenerationMemory:
    """Bytes of weights, of the cache filled to the context, and to read a prompt of that length."""

    weights: int
    kv_cache: int
    working: int

    @property
    def peak(self) -> int:
        """Bytes that are held at the same time."""
        return self.weights + self.kv_cache + self.working


def training_memory(config: ModelConfig, work: Workload) -> TrainingMemory:
    """The memory of a training step with the optimizer that train uses."""
    params = exact_count(config)
    states = (_WEIGHT + _STATE) * params
    return TrainingMemory(
        weights=_WEIGHT * params,
        gradients=_GRADIENT * params,
        optimizer=_STATE * params,
        activations=activation_peak(config, work),
        peak=states + activation_and_gradient_peak(config, work),
    )


def generation_memory(config: ModelConfig, work: Workload) -> GenerationMemory:
    """The memory of generating up to the context for every sequence of the batch."""
    return GenerationMemory(
        weights=work.value_bytes * exact_count(config),
        kv_cache=kv_cache_bytes_per_token(config, work.value_bytes) * work.tokens,
        working=_working(config, work),
    )


def _working(config: ModelConfig, work: Workload) -> int:
    """The largest working memory in bytes: of a block for the whole prompt, or of the logits."""
    widest = work.tokens * max(_attending(config), _computing(config))
    logits = work.tokens * config.n_embd + work.batch * config.vocab_size
    return work.value_bytes * max(widest, logits)


def _attending(config: ModelConfig) -> int:
    """Numbers per token in attention: the stream twice, its three projections, what follows."""
    queries = config.n_head * config.head_size
    keys = config.key_value_heads * config.head_size
    mixed = 2 * queries
    if config.positions == "rotary":
        normed = queries + keys if config.qk_norm else 0
        mixed = max(queries + keys + mixed, normed + queries + 2 * keys)
    return 2 * config.n_embd + queries + 2 * keys + mixed


def _computing(config: ModelConfig) -> int:
    """Numbers per token in the MLP: four of the stream's width, and the hidden layers."""
    hidden = 3 if config.gated or config.activation == "relu_squared" else 2
    return 4 * config.n_embd + hidden * config.inner_size
