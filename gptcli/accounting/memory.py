"""What training and generation take on one device, in bytes."""

from dataclasses import dataclass

from gptcli.accounting.activations import activation_and_gradient_peak, activation_peak
from gptcli.accounting.cache import kv_cache_bytes_per_token
from gptcli.accounting.parameters import exact_count
from gptcli.accounting.workload import Workload
from gptcli.config.model import ModelConfig

WEIGHT = GRADIENT = 4  # float32, whatever matrix products are taken in
MOMENTS = 8  # AdamW's two


@dataclass(frozen=True)
class TrainingMemory:
    """One step of this build. ``peak`` is below the sum: gradients come as activations go."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    peak: int


@dataclass(frozen=True)
class GenerationMemory:
    """Weights, the cache filled to the context, and reading a prompt as long as that."""

    weights: int
    kv_cache: int
    working: int

    @property
    def peak(self) -> int:
        """All of it at once."""
        return self.weights + self.kv_cache + self.working


def training_memory(config: ModelConfig, work: Workload) -> TrainingMemory:
    """The memory of a training step with AdamW."""
    params = exact_count(config)
    states = (WEIGHT + MOMENTS) * params
    return TrainingMemory(
        weights=WEIGHT * params,
        gradients=GRADIENT * params,
        optimizer=MOMENTS * params,
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
    """The widest half of a block, for all tokens of the prompt, and the last one's logits."""
    stream, queries = config.n_embd, config.n_head * config.head_size
    keys = config.key_value_heads * config.head_size
    attending = 2 * stream + 2 * (queries + keys) + keys
    computing = 3 * stream + (3 if config.gated else 2) * config.inner_size
    logits = work.batch * config.vocab_size
    return work.value_bytes * (work.tokens * max(attending, computing) + logits)
