"""What is kept of a step that went wrong, so that it can be looked at and repeated.

``RUN/blackbox`` is a model directory with the weights before the step; beside them are its batch,
as tokens and as text, and what the step did. B rows, T positions, V = vocabulary.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.checkpoint.config_json import read_small_json
from gptcli.checkpoint.model_files import WEIGHTS_FILE, write_description
from gptcli.checkpoint.tensors import load_tensors, save_tensors, save_weights
from gptcli.config.training import TrainConfig
from gptcli.errors import CheckpointError, GptcliError
from gptcli.generation.loaded_model import LoadedModel, read_model
from gptcli.model.gpt import GPT, UNCOUNTED
from gptcli.runtime.device import autocast
from gptcli.runtime.directories import new_directory
from gptcli.runtime.files import finite, write_json, write_text
from gptcli.runtime.seeds import derive_seed
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.training.at_once import rows_at_once
from gptcli.training.batch import Batch

FOLDER = "blackbox"
FORMAT = "gptcli.blackbox/1"
_RECORD, _BATCH, _TEXT = "blackbox.json", "batch.safetensors", "text.txt"


@dataclass(frozen=True)
class ModelPart:
    """The embeddings, a block, or the head: what it gave, and the norm of its gradient.

    ``largest`` is the largest absolute value among the finite ones that it gave in any
    micro-batch; ``not_finite`` of the values, in all of them, are infinite or no numbers. Where
    the embedding is the head's matrix, too, both have its gradient.
    """

    name: str
    largest: float
    not_finite: int
    gradient_norm: float


@dataclass(frozen=True)
class StepAnatomy:
    """A step seen from within: its loss, that of each row in nats per target, and its parts."""

    loss: float
    row_losses: tuple[float, ...]
    gradient_norm: float
    parts: tuple[ModelPart, ...]


@dataclass(frozen=True)
class Kept:
    """What a blackbox holds: the model before the step, how it was trained, and the batch."""

    loaded: LoadedModel
    training: TrainConfig
    batch: Batch


def dissected(model: GPT, batch: Batch, config: TrainConfig) -> StepAnatomy:
    """Compute loss and gradient of a step, without its update, and look at every part.

    A teacher's share of the targets is left out. Gradients of the model are forgotten.
    """
    model.zero_grad()
    model.train()
    found: dict[str, _Seen] = {name: _Seen() for name, _ in _parts(model)}
    sums, counts = [], []
    with _watched(model, found):
        for micro in range(config.grad_accum):
            if model.config.dropout:
                torch.manual_seed(derive_seed(config.seed, "dropout", batch.step, micro))
            for rows in _together(micro, model, config):
                losses, counted = _losses(model, batch, rows, config)
                (losses.sum() / batch.n_targets).backward()  # type: ignore[no-untyped-call]
                sums.append(losses.detach().sum(1))
                counts.append(counted.sum(1))
    totals, targets = torch.cat(sums), torch.cat(counts)
    norms, whole = {name: _norm(part) for name, part in _parts(model)}, _norm(model)
    model.zero_grad()
    return StepAnatomy(
        float(totals.sum()) / batch.n_targets,
        tuple((totals / targets.clamp(min=1)).tolist()),
        whole,
        tuple(
            ModelPart(name, seen.largest, seen.not_finite, norms[name])
            for name, seen in found.items()
        ),
    )


def keep_step(
    run: Path, model: GPT, tokenizer: Tokenizer, batch: Batch, config: TrainConfig
) -> Path:
    """Write the blackbox of a run, in the place of an older one; returns its directory."""
    anatomy = dissected(model, batch, config)
    with new_directory(run / FOLDER) as directory:
        write_description(directory, model.config, tokenizer)
        save_weights(directory / WEIGHTS_FILE, dict(model.named_parameters()), model.config)
        tensors = {"tokens": torch.from_numpy(batch.tokens)}
        if batch.counted is not None:
            tensors["counted"] = torch.from_numpy(batch.counted)
        save_tensors(directory / _BATCH, tensors)
        rows = (tokenizer.decode(row.tolist()) for row in batch.tokens)
        write_text(directory / _TEXT, "\n---\n".join(rows))
        record = {
            "format": FORMAT,
            "step": batch.step,
            "training": asdict(config),
            "anatomy": finite(asdict(anatomy)),
        }
        write_json(directory / _RECORD, record)
    return run / FOLDER


def read_kept(directory: Path, device: str) -> Kept:
    """Read a blackbox; CheckpointError where it is none, or damaged."""
    try:
        record = read_small_json(directory / _RECORD)
        if record.get("format") != FORMAT:
            raise ValueError(f"its format is {record.get('format')!r:.60}, not {FORMAT}")
        training = TrainConfig(**{**record["training"], "device": device})
        step = int(record["step"])
    except (OSError, KeyError, TypeError, ValueError, GptcliError) as error:
        raise CheckpointError(
            f"{directory} is no blackbox of a run ({error}): name RUN/{FOLDER}"
        ) from error
    loaded, tensors = read_model(directory, device), load_tensors(directory / _BATCH)
    tokens, counted = tensors.get("tokens"), tensors.get("counted")
    if tokens is None or tokens.shape[:1] != (training.rows_per_iter,):
        raise CheckpointError(f"{directory / _BATCH} does not hold the batch of a step")
    if not 0 <= int(tokens.min()) <= int(tokens.max()) < loaded.model.config.vocab_size:
        raise CheckpointError(f"{directory / _BATCH} holds tokens that the model does not know")
    mask = None if counted is None else counted.bool().numpy()
    return Kept(loaded, training, Batch(step, tokens.long().numpy(), mask))


@dataclass
class _Seen:
    largest: float = 0.0
    not_finite: int = 0

    def look_at(self, given: Tensor) -> None:
        values = given.detach().float()
        is_finite = values.isfinite()
        self.not_finite += int((~is_finite).sum())
        self.largest = max(self.largest, float(values.where(is_finite, 0).abs().max()))


def _parts(model: GPT) -> Iterator[tuple[str, nn.Module]]:
    """The parts that a token passes, in order."""
    yield "token embedding", model.token_embedding
    for index, block in enumerate(model.blocks):
        yield f"block {index}", block
    yield "final norm", model.final_norm
    yield "head", model.lm_head if model.score is None else model.score


@contextmanager
def _watched(model: GPT, found: dict[str, _Seen]) -> Iterator[None]:
    def watch(seen: _Seen) -> Any:
        return lambda _module, _received, given: seen.look_at(given)

    hooks = [part.register_forward_hook(watch(found[name])) for name, part in _parts(model)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _together(micro: int, model: GPT, config: TrainConfig) -> Iterator[slice]:
    """The rows of a micro-batch that training computes together."""
    first, end = micro * config.batch_size, (micro + 1) * config.batch_size
    size = rows_at_once(config.batch_size, model.config, config.device)
    for start in range(first, end, size):
        yield slice(start, min(start + size, end))


def _losses(model: GPT, batch: Batch, rows: slice, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """The loss of each target of some rows, 0 where it does not count, and which do: (b, T)."""
    tokens = torch.from_numpy(batch.tokens[rows]).to(config.device)
    targets = tokens[:, 1:]
    counted = torch.ones_like(targets, dtype=torch.bool)
    if batch.counted is not None:
        counted = torch.from_numpy(batch.counted[rows]).to(config.device)
    with autocast(config.device, config.precision):
        logits = model(tokens[:, :-1])
    losses = F.cross_entropy(
        logits.float().transpose(1, 2),
        targets.where(counted, UNCOUNTED),
        ignore_index=UNCOUNTED,
        reduction="none",
    )
    return losses, counted


def _norm(part: nn.Module) -> float:
    squares = [float(one.grad.norm()) for one in part.parameters() if one.grad is not None]
    return math.hypot(*squares)
