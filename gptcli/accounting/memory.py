"""The memory of training and generation on one device, in bytes."""

from dataclasses import dataclass

from gptcli.accounting.activations import activation_and_gradient_peak, activation_peak
from gptcli.accounting.kv_cache import kv_cache_bytes_per_token
from gptcli.accounting.parameters import exact_count
from gptcli.accounting.workload import Workload
from gptcli.config.model import ModelConfig
from gptcli.config.optimizer_specs import ADAMW, MUON
from gptcli.config.training import OptimizerName
from gptcli.families.shapes import parameter_groups

_FLOAT32 = 4  # bytes
_WEIGHT = _GRADIENT = _FLOAT32  # whatever the precision of matrix products
TRAINING_BYTES_PER_PARAMETER = _WEIGHT + _GRADIENT + ADAMW.bytes_per_parameter


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


def training_memory(
    config: ModelConfig, work: Workload, optimizer: OptimizerName = "adamw"
) -> TrainingMemory:
    """The memory of a training step."""
    params = exact_count(config)
    weights, state = _WEIGHT * params, optimizer_bytes(config, optimizer)
    return TrainingMemory(
        weights=weights,
        gradients=_GRADIENT * params,
        optimizer=state,
        activations=activation_peak(config, work),
        peak=weights + state + activation_and_gradient_peak(config, work),
    )


def optimizer_bytes(config: ModelConfig, optimizer: OptimizerName) -> int:
    """The state of an optimizer: Muon keeps one number for each of a block's matrices, not two."""
    groups = parameter_groups(config)
    matrices = groups.pop("matrix", 0) if optimizer == "muon" else 0
    return MUON.bytes_per_parameter * matrices + ADAMW.bytes_per_parameter * sum(groups.values())


def generation_memory(config: ModelConfig, work: Workload) -> GenerationMemory:
    """The memory of generating up to the context for every sequence of the batch."""
    return GenerationMemory(
        weights=work.value_bytes * exact_count(config),
        kv_cache=kv_cache_bytes_per_token(config, work.value_bytes) * work.tokens,
        working=_working(config, work),
    )


def evaluation_bytes(config: ModelConfig, tokens: int) -> int:
    """The working memory of the loss of so many tokens at once, in float32 without gradients."""
    V = config.n_outputs
    # Logits and their log-softmax; a cap has its argument, its tanh and its result at once.
    read_out = config.n_embd + (2 if config.logit_cap is None else 3) * V
    return _FLOAT32 * tokens * max(_attending(config), _computing(config), read_out)


def _working(config: ModelConfig, work: Workload) -> int:
    """The largest working memory in bytes: of a block for the whole prompt, or of the logits."""
    widest = work.tokens * max(_attending(config), _computing(config))
    logits = work.tokens * config.n_embd + work.batch * config.n_outputs
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
