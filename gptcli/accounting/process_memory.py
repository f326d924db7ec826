"""The memory of a whole training process, by part: what a system must have for a run.

On a CPU that is more than the tensors of a step: Python, torch and its libraries, and the heap,
which is not given back between steps and has holes. Both figures are fitted to the peaks of
processes with torch 2.13 on Linux: 11 models of three families, from 50 MB to 1 GB of tensors,
whose errors were 12% at most.
"""

import math
from dataclasses import dataclass

from gptcli.accounting.activations import kept_by_blocks, kept_by_loss
from gptcli.accounting.memory import evaluation_bytes, training_memory
from gptcli.accounting.parameters import exact_count
from gptcli.accounting.workload import Workload
from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.families.shapes import parameters

_FLOAT32 = 4  # bytes
_LIBRARIES = 420 * 10**6  # Python, torch and what it loads for training
_HOLES = 0.25  # of the activations
_ID = 8  # bytes of a token id in a batch
_DRAWN = 3  # a batch as it is gathered, as a tensor, and as targets


@dataclass(frozen=True)
class ProcessMemory:
    """Bytes of each part, and the ``peak`` of all together.

    ``activations`` are what embeddings and blocks keep for their gradients, ``loss`` what the
    logits, the loss and their gradients take, ``teacher`` the distributions of n-grams, and
    ``gathered`` the weights of a model in parts, which are whole for an evaluation. Gradients
    take the place of activations that are freed, and an evaluation has none of them, so the peak
    is below the sum.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    loss: int
    batch: int
    evaluation: int
    teacher: int
    libraries: int
    gathered: int
    peak: int


def process_memory(
    config: ModelConfig,
    training: TrainConfig,
    evaluated_tokens: int,
    teacher: int = 0,
    parts: int = 1,
    whole_logits: bool = False,
) -> ProcessMemory:
    """The memory of a run on its device, which evaluates ``evaluated_tokens`` at once.

    ``teacher`` are the bytes of its n-gram teacher, if that is there. On a GPU these are the
    tensors alone, which is what its memory must hold. Of a model in several ``parts`` the process
    has the largest. Its logits are there as a whole, as they are where n-grams teach, and for
    other objectives, which have ``whole_logits``.
    """
    is_taught = training.ngram_teacher > 0
    work = _micro_batch(config, training, whole_logits or is_taught or parts > 1)
    step = training_memory(config, work, training.optimizer)
    on_cpu = training.device == "cpu"
    weights, gradients = _part(step.weights, parts), _part(step.gradients, parts)
    optimizer = _part(step.optimizer, parts)
    gathered = 0 if parts == 1 else step.weights
    stepping = step.peak - step.weights - step.optimizer
    if parts > 1:
        stepping = step.activations + gradients + _gathered_in_a_step(config)
    libraries = _LIBRARIES if on_cpu else 0
    batch = _DRAWN * _ID * training.batch_size * (config.block_size + 1)
    evaluation = evaluation_bytes(config, evaluated_tokens)
    activations = kept_by_blocks(config, work)
    holes = round(_HOLES * activations) if on_cpu else 0
    working = max(stepping + holes + batch, gathered + evaluation)
    return ProcessMemory(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        activations=activations,
        loss=kept_by_loss(config, work),
        batch=batch,
        evaluation=evaluation,
        teacher=teacher,
        libraries=libraries,
        gathered=gathered,
        peak=libraries + teacher + weights + optimizer + working,
    )


def _part(whole: int, parts: int) -> int:
    return -(-whole // parts)


def _gathered_in_a_step(config: ModelConfig) -> int:
    """Bytes of the weights that are whole at once, with their gradients.

    These are all outside of blocks, and two blocks: one computes, the next is on its way.
    """
    block = sum(
        math.prod(one.shape) for one in parameters(config) if one.name.startswith("blocks.")
    )
    outside = exact_count(config) - config.n_layer * block
    return 2 * _FLOAT32 * (outside + min(2, config.n_layer) * block)


def _micro_batch(config: ModelConfig, training: TrainConfig, whole_logits: bool) -> Workload:
    return Workload(
        config.block_size,
        training.batch_size,
        precision=training.precision,
        compiled=training.compile,
        on_cpu=training.device == "cpu",
        whole_logits=whole_logits,
    )
