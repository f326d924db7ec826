"""``gptcli prepare``: from a text to a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptcli.commands.options import Json
from gptcli.commands.terminal import deliver, harmless, note
from gptcli.config.data import VAL_FRACTION
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from gptcli.data.dataset import Dataset
    from gptcli.data.text import SourceText
    from gptcli.data.tokenization.tokenizer import Tokenizer


def prepare(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A text file, - for stdin, or a built-in text: python (the source of the "
            "standard library) or shakespeare (downloaded once). A file of that name is ./python.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The dataset's directory. Default: data/NAME, after SOURCE."),
    ] = None,
    val_fraction: Annotated[
        float, typer.Option("--val-fraction", help="Share of the text, at its end, to validate.")
    ] = VAL_FRACTION,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            "--tokenizer",
            help="Use this tokenizer: a tokenizer.json, a dataset or a run. Default: one token "
            "per character of the text.",
            show_default=False,
        ),
    ] = None,
    unk: Annotated[
        bool, typer.Option("--unk", help="Add <unk>, for characters that the text lacks.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the dataset if it exists.")
    ] = False,
    json: Json = False,
) -> None:
    """Turn a text into a dataset: tokens to train on, tokens to validate with."""
    from gptcli.commands.progress import progress
    from gptcli.config.checks import check_fraction
    from gptcli.data.corpus.sources import source_name
    from gptcli.data.find import DATASETS
    from gptcli.data.preparation.single_text import DATASET, prepare_text
    from gptcli.runtime.names import output_path
    from gptcli.runtime.outputs import check_replaceable

    check_fraction("val_fraction", val_fraction, VAL_FRACTION)
    if unk and tokenizer:
        raise UsageError("--unk makes a new tokenizer, --tokenizer takes one: leave one out")
    directory = output_path(out, DATASETS, source_name(source), overwrite)
    check_replaceable(directory, overwrite, DATASET)
    text = _read(source)
    chosen = _tokenizer(text, tokenizer, unk)
    with progress("encoding", len(text.text), "characters") as advance:
        dataset = prepare_text(
            text,
            chosen,
            directory,
            val_fraction=val_fraction,
            overwrite=overwrite,
            advance=advance,
        )
    deliver(_json(dataset) if json else _summary(dataset), None)
    note("next: gptcli train" if out is None else f"next: gptcli train --data {directory}")


def _read(source: str) -> "SourceText":
    import sys

    from gptcli.data.corpus.sources import BUILT_IN_SOURCES, STDIN, read_source

    if source in BUILT_IN_SOURCES:
        note(f"reading {BUILT_IN_SOURCES[source].about}")
        if Path(source).is_file():
            note(f"{source} names the built-in text: for the file here write ./{source}")
    elif source == STDIN and sys.stdin.isatty():
        note("reading text from the terminal: end it with Ctrl-D")
    return read_source(source)


def _tokenizer(text: "SourceText", path: Path | None, unk: bool) -> "Tokenizer":
    from gptcli.data.tokenization.characters import character_tokenizer
    from gptcli.data.tokenization.tokenizer import Tokenizer

    return Tokenizer.load(path) if path else character_tokenizer(text.text, unk)


def _json(dataset: "Dataset") -> str:
    import json

    record = dataset.record.to_json()
    del record["format"]
    answer = {"schema": "gptcli.prepared/1", "directory": str(dataset.directory), **record}
    return json.dumps({**answer, "identity": dataset.identity}, indent=2)


def _summary(dataset: "Dataset") -> str:
    source, splits = dataset.source, (dataset.train, dataset.val)
    tokens = sum(split.n_tokens for split in splits)
    rows = (
        ("source", str(source["name"])),
        ("characters", f"{source['characters']:,}"),
        ("bytes", f"{source['bytes']:,}"),
        (
            "vocabulary",
            f"{dataset.vocab_size:,} ({dataset.tokenizer.kind}, {dataset.record.dtype})",
        ),
        ("train", f"{dataset.train.n_tokens:,} tokens"),
        ("val", f"{dataset.val.n_tokens:,} tokens"),
        ("ratio", f"{source['bytes'] / tokens:.2f} bytes per token"),
    )
    return "\n".join(
        [harmless(str(dataset.directory)), *(f"  {k:<12}{harmless(v)}" for k, v in rows)]
    )
