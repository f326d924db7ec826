"""The options of ``prepare``, in the groups that its help shows."""

from pathlib import Path
from typing import Annotated

import typer

_TOKENIZER = "Tokenizer"
_READING = "Reading"
_DIVISION = "Train, val and order"
_MACHINES = "Beyond one machine"
_ARITHMETIC = "Arithmetic (addition, calculator)"
_OTHER = "Instead of preparing"

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCE",
        help="Text files, directories, globs, .jsonl, .parquet, also .gz or .zst; - for stdin; or "
        "a built-in source (--list-sources). A file of such a name is ./python.",
        show_default=False,
    ),
]
DatasetOut = Annotated[
    Path | None,
    typer.Option("--out", help="The dataset's directory. Default: data/NAME, after SOURCE."),
]
ReplaceDataset = Annotated[
    bool, typer.Option("--overwrite", help="Replace the dataset if it exists.")
]
TokenizerName = Annotated[
    str,
    typer.Option(
        "--tokenizer",
        help="char, byte, word, bpe, wordpiece or unigram, made from the text; or one that exists: "
        "a tokenizer.json, a dataset, a run, a directory, a .tiktoken or .model file, a hub id.",
        rich_help_panel=_TOKENIZER,
    ),
]
VocabSize = Annotated[
    int | None,
    typer.Option(
        "--vocab-size",
        help="Tokens of a tokenizer that is trained.",
        rich_help_panel=_TOKENIZER,
        show_default=False,
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        "--pattern",
        help="How a .tiktoken file splits text: gpt2, cl100k, o200k or a regular expression.",
        rich_help_panel=_TOKENIZER,
        show_default=False,
    ),
]
SpecialTokens = Annotated[
    list[str] | None,
    typer.Option(
        "--special-token",
        help="Add a token that no text becomes, as <|user|>; may be repeated.",
        rich_help_panel=_TOKENIZER,
        show_default=False,
    ),
]
Unk = Annotated[
    bool,
    typer.Option(
        "--unk",
        help="Add <unk> to char, for characters that the text lacks.",
        rich_help_panel=_TOKENIZER,
    ),
]
Field = Annotated[
    str | None,
    typer.Option(
        "--field",
        help="Where a record has its text. Default: text, else prompt and completion, else "
        "messages (loss counts on answers only).",
        rich_help_panel=_READING,
        show_default=False,
    ),
]
Errors = Annotated[
    str,
    typer.Option(
        "--errors",
        help="Bytes that are not UTF-8: strict, replace or ignore.",
        rich_help_panel=_READING,
    ),
]
SkipBad = Annotated[
    int,
    typer.Option(
        "--skip-bad", help="Leave out up to so many bad records.", rich_help_panel=_READING
    ),
]
ValFraction = Annotated[
    float,
    typer.Option("--val-fraction", help="Share that validates.", rich_help_panel=_DIVISION),
]
SplitByName = Annotated[
    str | None,
    typer.Option(
        "--split-by",
        help="text: the end of it validates. document: whole documents do, chosen by their hash. "
        "Default: document from 100 documents on.",
        rich_help_panel=_DIVISION,
        show_default=False,
    ),
]
Shuffle = Annotated[
    bool,
    typer.Option("--shuffle", help="Write documents in random order.", rich_help_panel=_DIVISION),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed", help="Of the shuffled order and of arithmetic.", rich_help_panel=_DIVISION
    ),
]
Digits = Annotated[
    int,
    typer.Option("--digits", help="Of the largest operands.", rich_help_panel=_ARITHMETIC),
]
Reverse = Annotated[
    bool,
    typer.Option(
        "--reverse", help="Write answers from their last digit.", rich_help_panel=_ARITHMETIC
    ),
]
Count = Annotated[
    int | None,
    typer.Option(
        "--count",
        help="Problems. Default: 100,000, or all there are.",
        rich_help_panel=_ARITHMETIC,
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        help="Threads that encode. Default: all cores. The result is the same.",
        show_default=False,
    ),
]
MakePlan = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Read the corpus and write the plan of its shards beside --out.",
        rich_help_panel=_MACHINES,
    ),
]
ShardOf = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Encode share I (from 0) of N of the plan; auto: as the SLURM array says.",
        rich_help_panel=_MACHINES,
        show_default=False,
    ),
]
Merge = Annotated[
    bool,
    typer.Option(
        "--merge",
        help="Join what the shards encoded into the dataset.",
        rich_help_panel=_MACHINES,
    ),
]
Verify = Annotated[
    Path | None,
    typer.Option(
        "--verify",
        metavar="DIR",
        help="Check every byte of a dataset.",
        rich_help_panel=_OTHER,
        show_default=False,
    ),
]
ListSources = Annotated[
    bool,
    typer.Option("--list-sources", help="Say what is built in.", rich_help_panel=_OTHER),
]
