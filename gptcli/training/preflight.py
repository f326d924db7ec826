"""What a run will take, before it begins: memory, disk and passes over the data.

A run that cannot fit is refused here, before anything is replaced, with a batch that does fit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gptcli.accounting.fit import largest
from gptcli.accounting.memory import TRAINING_BYTES_PER_PARAMETER, optimizer_bytes
from gptcli.accounting.parameters import exact_count
from gptcli.accounting.process_memory import ProcessMemory, process_memory
from gptcli.config.model import ModelConfig
from gptcli.config.objective import LM, GroupPolicy, ObjectiveConfig, is_policy
from gptcli.config.training import TrainConfig
from gptcli.data.dataset import Dataset
from gptcli.errors import MemoryExhaustedError
from gptcli.evaluation.evaluation_pass import tokens_per_batch
from gptcli.runtime.device import free_memory, memory_errors
from gptcli.runtime.disk_space import check_room
from gptcli.runtime.escapes import typed
from gptcli.training.at_once import rows_at_once
from gptcli.training.defaults import Material
from gptcli.training.ngram_teacher import teacher_bytes
from gptcli.training.objective_memory import objective_memory

_FLOAT32 = 4  # bytes
_GB = 1e9
_SMALLER = "begin with a smaller model"


@dataclass(frozen=True)
class Preflight:
    """The costs of a run.

    ``free`` are the bytes that its device has left, None where nobody tells. A save writes the
    ``weights_file``, if they are the best so far, and a resume step of ``step_bytes``.
    """

    n_params: int
    per_iter: int  # tokens of lm, else rows
    epochs: float
    memory: ProcessMemory
    free: int | None
    weights_file: int
    step_bytes: int
    kept_steps: int

    @property
    def disk(self) -> int:
        """Bytes of a whole run: its weights and the resume steps that are kept."""
        return self.weights_file + self.kept_steps * self.step_bytes


def preflight(
    model: ModelConfig,
    training: TrainConfig,
    dataset: Dataset,
    objective: ObjectiveConfig = LM,
    material: Material | None = None,
    parts: int = 1,
) -> Preflight:
    """The costs of a run on a dataset, in which another objective than lm finds its material.

    The memory is that of each process that has one of the ``parts`` of the model.
    """
    weights, step = _save_bytes(model, training)
    if material is None:
        memory = _memory(model, training, dataset.train.n_tokens, parts)
    else:
        memory = objective_memory(model, training, objective, material)
    return Preflight(
        n_params=exact_count(model),
        per_iter=training.rows_per_iter * (model.block_size if material is None else 1),
        epochs=epochs(model, training, dataset, objective, material),
        memory=memory,
        free=free_memory(training.device),
        weights_file=weights,
        step_bytes=step,
        kept_steps=training.keep,
    )


def _save_bytes(model: ModelConfig, training: TrainConfig) -> tuple[int, int]:
    """Bytes of the file of weights, and of a resume step."""
    weights = _FLOAT32 * exact_count(model)
    return weights, weights + optimizer_bytes(model, training.optimizer)


def check_disk(model: ModelConfig, training: TrainConfig, directory: Path, n_saves: int) -> None:
    """Raise ResourceError where the disk of a run has no room for its next ``n_saves`` saves.

    The first of them may replace the best weights, which takes room for both until it is done.
    """
    weights, step = _save_bytes(model, training)
    what = "a save" if n_saves == 1 else f"the run with {n_saves} saves"
    check_room(directory, what, weights + n_saves * step, max(weights, step - weights))


def epochs(
    model: ModelConfig,
    training: TrainConfig,
    dataset: Dataset,
    objective: ObjectiveConfig = LM,
    material: Material | None = None,
) -> float:
    """How often a run sees every token, pair or question."""
    if material is not None:
        in_group = objective.group_size if isinstance(objective, GroupPolicy) else 1
        return training.max_iters * training.rows_per_iter / in_group / material.n_rows
    rows = dataset.train.n_tokens / model.block_size
    if dataset.record.is_masked:
        rows = len(dataset.train.windows(model.block_size).starts)
    return training.max_iters * training.rows_per_iter / rows


def check_fits(
    model: ModelConfig,
    training: TrainConfig,
    n_tokens: int,
    resumed: Path | None = None,
    parts: int = 1,
) -> None:
    """Raise MemoryExhaustedError for a run that does not fit into what its device has left.

    ``n_tokens`` is the length of its text, ``resumed`` its directory, if it was begun before, and
    ``parts`` those into which its model is cut.
    """
    memory, free = _memory(model, training, n_tokens, parts), free_memory(training.device)
    if free is not None and memory.peak > free:
        way = smaller(model, training, max(0, free - memory.teacher), resumed, parts)
        raise MemoryExhaustedError(
            f"training needs about {memory.peak / _GB:,.1f} GB of memory and {training.device} has "
            f"{free / _GB:,.1f} GB left: {way}"
        )


@contextmanager
def training_memory_errors(
    model: ModelConfig,
    training: TrainConfig,
    resumed: Path | None = None,
    objective: ObjectiveConfig = LM,
    parts: int = 1,
) -> Iterator[None]:
    """Turn errors of exhausted memory into one that names a batch in three quarters of it.

    With another objective than lm it names half a batch.
    """
    cause = f"--batch-size {training.batch_size} and --block-size {model.block_size}"
    if objective == LM:
        limit = _memory(model, training, parts=parts).peak * 3 // 4
        way = smaller(model, training, limit, resumed, parts)
    else:
        cause = f"--batch-size {training.batch_size} of --objective {objective.name}"
        is_cut = is_policy(objective) and training.device == "cpu"
        way = _SMALLER if is_cut else _half_batch(training)
    with memory_errors(cause, way, training.device):
        yield


def _half_batch(training: TrainConfig) -> str:
    if training.batch_size == 1:
        return _SMALLER
    half, rows = training.batch_size // 2, training.rows_per_iter
    return f"begin again with --batch-size {half} --grad-accum {-(-rows // half)}"


def smaller(
    model: ModelConfig,
    training: TrainConfig,
    limit: int,
    resumed: Path | None = None,
    parts: int = 1,
) -> str:
    """How to train in ``limit`` bytes: smaller micro-batches, a shorter context, a smaller model.

    With the micro-batches the result stays the same, since there are more of them. The batch of a
    run that is ``resumed`` cannot change, so its weights are to begin a new one.
    """
    start = "" if resumed is None else f"--init-from {typed(resumed.as_posix())} "
    rows = training.rows_per_iter
    if batch := _fitting_batch(model, training, limit, parts):
        return f"try {start}--batch-size {batch} --grad-accum {rows // batch}"
    alone, context = replace(training, batch_size=1), model.block_size // 2
    one = "" if training.batch_size == 1 else f"--batch-size 1 --grad-accum {rows} "
    while context:
        if _memory(replace(model, block_size=context), alone, parts=parts).peak <= limit:
            return f"try {start}{one}--block-size {context}"
        context //= 2
    whole = 0 if parts == 1 else _FLOAT32  # an evaluation has all weights
    most = limit / (TRAINING_BYTES_PER_PARAMETER / parts + whole)
    return (
        "choose a smaller --n-layer or --n-embd: this model has "
        f"{exact_count(model) / 1e6:,.0f}M parameters, and at most {most / 1e6:,.0f}M fit"
    )


def _fitting_batch(model: ModelConfig, training: TrainConfig, limit: int, parts: int) -> int:
    """The largest micro-batch below the present one that divides the rows of a step and fits.

    It is 0 where none fits.
    """

    most = rows_at_once(training.batch_size, model, training.device)  # more need no more

    def needs(batch: int) -> int:
        return _memory(model, replace(training, batch_size=min(batch, most)), parts=parts).peak

    batch = min(largest(needs, limit), most - 1)
    while batch > 0 and (training.rows_per_iter % batch or needs(batch) > limit):
        batch -= 1
    return batch


def _memory(
    model: ModelConfig, training: TrainConfig, n_tokens: int = 0, parts: int = 1
) -> ProcessMemory:
    """That of a run on ``n_tokens``, which matter where their n-grams teach."""
    evaluated = tokens_per_batch(model, training.device, training.evaluation_precision)
    windows = max(1, evaluated // model.block_size)
    teacher = teacher_bytes(n_tokens, model.vocab_size) if training.ngram_teacher else 0
    rows = rows_at_once(training.batch_size, model, training.device)
    at_once = replace(training, batch_size=rows)
    return process_memory(model, at_once, windows * model.block_size, teacher, parts)
