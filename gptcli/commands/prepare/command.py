"""``gptcli prepare``: from texts to a dataset."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gptcli.commands.completion import datasets, tokenizers
from gptcli.commands.options import FormatRequest, argument, option
from gptcli.commands.view.answer import Answer
from gptcli.config.checks import flag
from gptcli.config.data import (
    ARITHMETIC_SOURCES,
    ERRORS,
    FEWEST_DOCUMENTS,
    INSTRUCTIONS,
    MADE_SOURCES,
    PREFERENCES,
    SEED,
    USUAL_COUNT,
    VAL_FRACTION,
    ArithmeticOptions,
    PrepareConfig,
    SplitBy,
)
from gptcli.errors import UsageError
from gptcli.runtime.world import available_cores
from gptcli.tokenization.kinds import TokenizerSpec, check_special_tokens, named_kind

_TOKENIZER, _READING, _DIVISION = "Tokenizer", "Reading", "Splits and order"
_MADE, _MACHINES = "Sources that are made", "Several machines"
_OF_ARITHMETIC = ("digits", "reverse", "steps")
_OTHER = "Other tasks"


@dataclass(frozen=True)
class PrepareRequest(FormatRequest):
    """The texts and how they become a dataset, or another task of the command."""

    exclusive = (("plan", "shard", "merge", "verify", "list_sources"),)
    # Without SOURCE: the plan has all other choices, or nothing is prepared.
    alone = MappingProxyType(
        {
            "shard": ("out", "workers"),
            "merge": ("out", "overwrite"),
            "verify": (),
            "list_sources": (),
        }
    )

    source: list[str] | None = argument(
        "Text files, directories, globs, .jsonl, .json, .parquet, also .gz or .zst; - for stdin; "
        "a dataset of the Hugging Face hub, as hf:owner/name or hf:owner/name:data/*.parquet; or a "
        "built-in source (--list-sources; for a file of the same name write ./python).",
        "SOURCE",
    )
    out: Path | None = option("Directory of the dataset. Default: data/NAME, named after SOURCE.")
    overwrite: bool = option("Replace the dataset if it exists.", default=False)
    workers: int | None = option(
        "Threads that encode; the result does not depend on them. Default: all cores."
    )
    tokenizer: str = option(
        "char, byte, word, bpe, wordpiece or unigram to make one from the text; or an existing "
        "one: a tokenizer.json, a dataset, a run, a directory, a .tiktoken or .model file, a hub "
        "id.",
        default="char",
        offer=tokenizers,
        panel=_TOKENIZER,
    )
    vocab_size: int | None = option(
        "Vocabulary size of a tokenizer that is trained.", panel=_TOKENIZER
    )
    pattern: str | None = option(
        "How a .tiktoken file splits text: gpt2, cl100k, o200k or a regular expression.",
        panel=_TOKENIZER,
    )
    special_token: list[str] | None = option(
        "Add a special token, such as <|user|>, which text never turns into; an existing "
        "tokenizer gets it as its last id. May be repeated.",
        panel=_TOKENIZER,
    )
    unk: bool = option(
        "With char: add <unk>, which stands for any character that the text does not have.",
        default=False,
        panel=_TOKENIZER,
    )
    word_space: bool = option(
        "With word: the space before a word belongs to the word, so words follow words.",
        default=False,
        panel=_TOKENIZER,
    )
    chat_template: Path | None = option(
        "A Jinja template that writes the turns of chats, as transformers reads it. Default: that "
        "of the tokenizer, else <|user|>...<|end|><|assistant|>...<|end|>.",
        panel=_TOKENIZER,
        metavar="FILE",
    )
    allow_unknown: bool = option(
        "Go on where an existing tokenizer loses more than 0.1% of the characters: they have no "
        "token, become <unk> or are folded into others.",
        default=False,
        panel=_TOKENIZER,
    )
    field: str | None = option(
        "The field with the text of a record. Default: text, else chosen and rejected, else "
        "prompt and completion, else messages, conversations or instruction and output (loss "
        "counts on answers only).",
        panel=_READING,
    )
    split_on: str | None = option(
        "The separator between the documents in a text, such as '<|endoftext|>'.",
        panel=_READING,
        metavar="TEXT",
    )
    errors: str = option(
        "What to do with bytes that are not UTF-8: strict, replace or ignore.",
        default=ERRORS[0],
        panel=_READING,
        choices=ERRORS,
    )
    skip_bad: int = option(
        "Skip up to this many bad records.", default=PrepareConfig.skip_bad, panel=_READING
    )
    val_fraction: float = option(
        "Fraction held out for validation.", default=VAL_FRACTION, panel=_DIVISION
    )
    split_by: str | None = option(
        "What is held out. text: the end of the text. document: whole documents, chosen by their "
        f"hash. Default: document if there are {FEWEST_DOCUMENTS} or more, else text.",
        panel=_DIVISION,
        choices=tuple(SplitBy),
    )
    shuffle: bool = option("Shuffle the documents.", default=False, panel=_DIVISION)
    seed: int = option(
        "Random seed of --shuffle and of sources that are made.", default=SEED, panel=_DIVISION
    )
    digits: int | None = option(
        "addition, calculator: number of digits of the largest operands. Default: "
        f"{ArithmeticOptions.digits}.",
        panel=_MADE,
    )
    reverse: bool = option(
        "addition, calculator: write answers with their digits reversed.",
        default=False,
        panel=_MADE,
    )
    steps: bool = option(
        "addition, calculator: write the steps of every calculation before its result.",
        default=False,
        panel=_MADE,
    )
    count: int | None = option(
        f"Number of problems, chats or pairs. Default: {USUAL_COUNT:,} problems, or all of them if "
        f"there are fewer; {INSTRUCTIONS:,} chats; {PREFERENCES:,} pairs.",
        panel=_MADE,
    )
    plan: bool = option(
        "Read the corpus and write a plan for its shards next to --out.",
        default=False,
        panel=_MACHINES,
    )
    shard: str | None = option(
        "Encode share I of N of the plan, counted from 0; auto: the share of this SLURM array "
        "task, or of this process of torchrun.",
        panel=_MACHINES,
        metavar="I/N",
    )
    merge: bool = option(
        "Join the encoded shards into the dataset.", default=False, panel=_MACHINES
    )
    verify: Path | None = option(
        "Check every byte of this dataset.", panel=_OTHER, metavar="DIR", offer=datasets
    )
    list_sources: bool = option("List the built-in sources.", default=False, panel=_OTHER)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("shard", "merge"):
            if self.is_given(name) and self.out is None:
                raise UsageError(
                    f"--{name} needs the --out that the plan was made with, such as --out data/big"
                )
        if not self.source and not self.given("shard", "merge", "verify", "list_sources"):
            raise UsageError("nothing to prepare: name a text file, as in gptcli prepare input.txt")
        self._check_tokenizer()
        self._check_effects()
        assert self.config and self.arithmetic, "both check their values"

    @property
    def spec(self) -> TokenizerSpec | None:
        """The tokenizer to make; None for an existing one."""
        named = named_kind(self.tokenizer, self.pattern)
        if named is None:
            return None
        size = named.one_size(f"--tokenizer {self.tokenizer}", self.vocab_size)
        special = tuple(self.special_token or ())
        return TokenizerSpec(named.kind, size, self.unk, special, self.word_space)

    @property
    def config(self) -> PrepareConfig:
        """How the documents become a dataset."""
        return PrepareConfig(
            val_fraction=self.val_fraction,
            split_by=SplitBy(self.split_by) if self.split_by else None,
            shuffle=self.shuffle,
            seed=self.seed,
            skip_bad=self.skip_bad,
            allow_unknown=self.allow_unknown,
            workers=available_cores() if self.workers is None else self.workers,
        )

    @property
    def arithmetic(self) -> ArithmeticOptions:
        """Which problems a built-in source makes."""
        digits = ArithmeticOptions.digits if self.digits is None else self.digits
        return ArithmeticOptions(digits, self.reverse, self.steps, self.count, self.seed)

    def _check_tokenizer(self) -> None:
        if self.allow_unknown and self.spec is not None:
            raise UsageError(
                f"--allow-unknown is for an existing tokenizer, --tokenizer {self.tokenizer} is "
                "made from the text: leave it out"
            )
        check_special_tokens(self.special_token or ())
        shaping = self.given("vocab_size", "unk", "word_space")
        if self.spec is None and shaping:
            first = flag(next(iter(shaping)))
            raise UsageError(
                f"{first} needs a new tokenizer, but --tokenizer {self.tokenizer} is an existing "
                "one: leave one of them out"
            )

    def _check_effects(self) -> None:
        """Raise UsageError for a flag that the sources make no use of."""
        if self.split_on == "":
            raise UsageError("--split-on needs a text, such as '<|endoftext|>'")
        sources = self.source or ["it"]
        for names, known in ((_OF_ARITHMETIC, ARITHMETIC_SOURCES), (("count",), MADE_SOURCES)):
            if (given := self.given(*names)) and not set(known).intersection(sources):
                raise UsageError(
                    f"{flag(next(iter(given)))} is for {', '.join(known[:-1])} and {known[-1]}, "
                    f"not for {sources[0]}: leave it out"
                )
        if self.is_given("seed") and not self.shuffle and not set(MADE_SOURCES) & set(sources):
            raise UsageError(
                f"--seed works only with --shuffle and with {', '.join(MADE_SOURCES)}: give one of "
                "them, or leave it out"
            )


def prepare(request: PrepareRequest) -> Answer:
    """Turn text into a dataset: tokens to train on, and tokens held out for validation.

    Of a single text the end is held out. In a collection, every document is followed by an
    end-of-text token, and whole documents are held out. The special tokens that an existing
    tokenizer puts around a text, such as <s>, are put around each document. In records with a
    prompt and a completion, the loss counts on the completion only; in chats, which a chat template
    writes, on what the assistant says.
    """
    from gptcli.commands.prepare.run import run

    return run(request)
