"""``inspect-attention --ablate``: by how much the loss grows without each head."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gptcli.checkpoint.tensors import not_finite
from gptcli.checkpoint.weights_step import step_document
from gptcli.commands.inspect_attention.chosen_text import UNSEEN, Source, checked_ids, checked_split
from gptcli.commands.inspect_attention.command import ABLATION_SAMPLES, InspectRequest
from gptcli.commands.user_text import explaining_unseen
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.progress_bar import progress
from gptcli.commands.view.table_layout import to_text
from gptcli.commands.view.tables import Cell, Figure, Table, records
from gptcli.config.checks import counted
from gptcli.data.dataset import Dataset
from gptcli.data.source_text import SourceText
from gptcli.data.text_tokens import TextTokens
from gptcli.errors import CheckpointError, DataError
from gptcli.evaluation.evaluation_pass import tokens_per_batch
from gptcli.evaluation.target_windows import SampledWindows, Split, StridedWindows, Windowing
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.ablation import Ablation, ablate
from gptcli.inspection.heads import AblationMode, Head, every_head, parse_heads
from gptcli.runtime.device import memory_errors

_SHOWN = 20
_REPLACEMENT: Mapping[AblationMode, str] = {"zero": "zero", "mean": "its mean over the data"}


@dataclass(frozen=True)
class _Data:
    """The tokens that are predicted with and without each head, and where they are from."""

    place: str
    tokens: Split
    windows: Windowing


@dataclass(frozen=True)
class _Result:
    """What was found, and how: the heads are ranked, the one that the loss needs most first."""

    loaded: LoadedModel
    data: _Data
    mode: AblationMode
    found: Ablation

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each head, as the document lists it."""
        ranked = sorted(self.found.effects, key=lambda effect: -effect.change.mean)
        return [
            {
                "layer": effect.head.layer,
                "head": effect.head.index,
                "loss": self.found.loss + effect.change.mean,
                "change": effect.change.mean,
                "standard_error": effect.change.standard_error,
            }
            for effect in ranked
        ]

    def document(self) -> dict[str, Any]:
        """The document of ``--json``."""
        return {
            "model": self.loaded.directory.as_posix(),
            **step_document(self.loaded.step),
            "data": self.data.place,
            "mode": self.mode,
            "context": self.loaded.model.config.block_size,
            "tokens": self.found.n_targets,
            "windows": self.found.n_windows,
            "loss": self.found.loss,
            "heads": self.rows,
        }

    def table(self, n_rows: int | None = None) -> Table:
        """The first ``n_rows`` heads (default: all) with their effect."""
        found, shown = self.found, self.rows[:n_rows]
        windows = counted(found.n_windows, "window")
        total = len(found.effects)
        count = f"{len(shown)} of {total} heads" if total > len(shown) else "Heads"
        change = (
            "Change is by how much the loss grows when the output of that head alone is replaced "
            f"by {_REPLACEMENT[self.mode]}"
        )
        error = f"; the error is its standard error over {windows}."
        if found.n_windows == 1:
            error = "; one window has no standard error, longer texts and datasets do."
        notes = [
            f"The whole model's loss is {found.loss:.4f} nats per token, over "
            f"{counted(found.n_targets, 'token')} in {windows} of {self.data.place}.",
            change + error,
        ]
        if total > len(shown):
            notes.append("--json has all heads.")
        return Table(
            f"{count} by what the loss is without them, most needed first",
            ("head", "change", "error", "loss"),
            tuple(map(_cells, shown)),
            notes=tuple(notes),
        )

    def drawing(self, canvas: Canvas) -> Iterator[str]:
        """The table for a terminal, with no more heads than one can read."""
        yield to_text([self.table(_SHOWN)], canvas.width, canvas.in_colour).rstrip("\n")


def ablation_answer(request: InspectRequest, loaded: LoadedModel, source: Source) -> Answer:
    """Ablate the heads that are asked for, each by itself, over a text, ids or a dataset."""
    heads, config = _heads(request, loaded), loaded.model.config
    if name := not_finite(dict(loaded.model.named_parameters())):  # which a kernel may hide
        raise CheckpointError(
            f"{loaded.directory}: {name} holds numbers that are not finite: its weights are "
            "damaged, use an earlier checkpoint"
        )
    data = _opened(request, loaded, source)
    batches = list(data.windows.batches(data.tokens, tokens_per_batch(config)))
    n_targets = sum(int(batch.counted.sum()) for batch in batches)
    if not n_targets:
        raise DataError(f"{data.place}: there is nothing to predict: give more text")
    with (
        memory_errors(
            f"windows of {config.block_size:,} tokens", "free some memory", loaded.device
        ),
        progress("ablating", n_targets * len(heads), "tokens") as advance,
    ):
        found = ablate(loaded.model, batches, heads, request.ablation_mode, advance)
    if not math.isfinite(found.loss):
        raise CheckpointError(
            f"{loaded.directory}: the loss is {found.loss}: its weights are damaged, "
            "use an earlier checkpoint"
        )
    result = _Result(loaded, data, request.ablation_mode, found)
    return Answer(
        "gptcli.ablation/1",
        result.document,
        [result.table()],
        csv=records(result.rows),
        drawing=result.drawing,
    )


def _heads(request: InspectRequest, loaded: LoadedModel) -> Sequence[Head]:
    names, config = request.ablate or "", loaded.model.config
    if names.strip().lower() == "all":
        return every_head(config)
    return parse_heads(names, config, "--ablate")


def _opened(request: InspectRequest, loaded: LoadedModel, source: Source) -> _Data:
    """The whole text, or windows spread over the validation split."""
    context = loaded.model.config.block_size
    if isinstance(source, Dataset):
        place = f"{source.directory.as_posix()}, val split"
        count = request.samples or ABLATION_SAMPLES
        return _Data(place, checked_split(loaded, source), SampledWindows(context, count))
    tokens = _tokens(request, loaded, source)
    place = source.name if isinstance(source, SourceText) else "--ids"
    return _Data(place, tokens, StridedWindows(context, context, tokens.n_tokens))


def _tokens(
    request: InspectRequest, loaded: LoadedModel, source: SourceText | tuple[int, ...]
) -> TextTokens:
    if not isinstance(source, SourceText):
        return TextTokens(np.array(checked_ids(source, loaded), dtype=np.uint32), 0, 0)
    is_prompt = request.text is not None
    with explaining_unseen(source, UNSEEN, is_prompt=is_prompt, origin=loaded.directory):
        return TextTokens.of(source, loaded.tokenizer)


def _cells(row: Mapping[str, Any]) -> tuple[Cell, ...]:
    return (
        str(Head(row["layer"], row["head"])),
        Figure.of(row["change"], "+.4f"),
        Figure.of(row["standard_error"], ".4f"),
        Figure.of(row["loss"], ".4f"),
    )
