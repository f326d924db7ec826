"""``gptcli eval``: how well a model predicts a text."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gptcli.commands.options import Checkpoint, Device, Json, Out, Overwrite
from gptcli.commands.terminal import harmless

if TYPE_CHECKING:
    from gptcli.data.dataset import Dataset
    from gptcli.inference.evaluation import Evaluation
    from gptcli.inference.loading import LoadedModel


def evaluate(
    checkpoint: Checkpoint = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Dataset. Default: the run's own.", show_default=False),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="val or train.")] = "val",
    device: Device = "auto",
    json_output: Json = False,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure loss, perplexity and bits per byte over a whole split.

    Every token but the first is predicted once, in a fixed order, so the figures are the same
    at every call. In data with masks only what counts as a target is: completions.
    """
    from gptcli.commands.choices import chosen_model, dataset_of, opened_model
    from gptcli.commands.terminal import check_out, deliver
    from gptcli.data.dataset import Dataset
    from gptcli.inference.loading import check_same_tokenizer

    check_out(out, overwrite)
    directory = chosen_model(checkpoint)
    dataset = Dataset.open(dataset_of(directory, data))
    loaded = opened_model(directory, device)
    check_same_tokenizer(directory, loaded.tokenizer, dataset)
    figures = _figures(loaded, dataset, split, _measure(loaded, dataset, split))
    deliver(_as_json(figures) if json_output else _as_table(figures), out, overwrite)


def _measure(loaded: "LoadedModel", dataset: "Dataset", split: str) -> "Evaluation":
    from gptcli.commands.progress import progress
    from gptcli.errors import CheckpointError, DataError
    from gptcli.inference.evaluation import evaluate_split
    from gptcli.runtime.device import memory_errors

    tokens = dataset.split(split)
    if not tokens.n_targets:
        raise DataError(f"the {split} split of {dataset.directory} has no token to predict")
    with (
        memory_errors("try --device cpu"),
        progress("evaluating", tokens.n_targets, "tokens") as advance,
    ):
        result = evaluate_split(loaded.model, tokens, loaded.device, advance=advance)
    if not math.isfinite(result.loss):
        raise CheckpointError(
            f"{loaded.directory}: the loss is {result.loss}: its weights are damaged, "
            "use an earlier checkpoint"
        )
    return result


def _figures(
    loaded: "LoadedModel", dataset: "Dataset", split: str, result: "Evaluation"
) -> dict[str, Any]:
    n_bytes, n_characters = _text_sizes(dataset, split)
    return {
        "schema": "gptcli.eval/1",
        "model": loaded.directory.as_posix(),
        "data": dataset.directory.as_posix(),
        "split": split,
        "masked": dataset.split(split).is_masked,
        "loss": result.loss,
        "perplexity": result.perplexity,
        "bits_per_byte": None if n_bytes is None else result.bits_per(n_bytes),
        "bits_per_character": None if n_characters is None else result.bits_per(n_characters),
        "tokens": result.n_targets,
        "bytes": n_bytes,
        "characters": n_characters,
        "context": result.context,
    }


def _text_sizes(dataset: "Dataset", split: str) -> tuple[int | None, int | None]:
    """Bytes and characters that the targets stand for.

    They are all tokens but the first, so its text does not count. How much text is behind the
    targets of a mask is not recorded: nothing is said rather than something wrong.
    """
    from gptcli.errors import DataError

    tokens = dataset.split(split)
    if tokens.is_masked:
        return None, None
    first = dataset.tokenizer.decode(tokens.read(0, 1))
    if dataset.tokenizer.kind == "char":
        first = first[:1]  # <unk> stands for one character
    n_characters = tokens.n_characters - len(first)
    n_bytes = tokens.n_bytes - len(first.encode())
    if min(n_characters, n_bytes) < 1:
        raise DataError(f"{dataset.directory} is damaged: its tokens stand for no text")
    return n_bytes, n_characters


def _as_json(figures: dict[str, Any]) -> str:
    import json

    return json.dumps(figures, indent=2)


def _as_table(figures: dict[str, Any]) -> str:
    rows = (
        ("loss", f"{figures['loss']:.4f} nats per token"),
        ("perplexity", f"{figures['perplexity']:.3f}"),
        *_text_rows(figures),
        ("data", f"{figures['data']}, {figures['split']} split"),
    )
    return harmless("\n".join(f"{name:<20}{value}" for name, value in rows))


def _text_rows(figures: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    if figures["masked"]:
        return (
            ("tokens", f"{figures['tokens']:,}: only completions count (the data has masks)"),
            ("context", f"{figures['context']:,} tokens, in windows that start at documents"),
        )
    return (
        ("bits per byte", f"{figures['bits_per_byte']:.4f}"),
        ("bits per character", f"{figures['bits_per_character']:.4f}"),
        ("tokens", f"{figures['tokens']:,} ({figures['bytes']:,} bytes)"),
        ("context", f"{figures['context']:,} tokens, in windows that do not overlap"),
    )
