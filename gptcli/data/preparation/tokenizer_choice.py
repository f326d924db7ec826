"""The tokenizer of a dataset: an existing one, or one made from the corpus."""

from collections.abc import Sequence
from dataclasses import replace

from gptcli.config.data import ReadOptions
from gptcli.data.corpus.inputs import Corpus
from gptcli.data.corpus.reading import open_readers, sample_texts
from gptcli.data.preparation.scan import Scan
from gptcli.runtime.progress import Watch
from gptcli.tokenization.cuts import Cuts
from gptcli.tokenization.kinds import END_OF_TEXT, TokenizerSpec
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer, train_tokenizer

TokenizerChoice = Tokenizer | TokenizerSpec


def ready_tokenizer(
    corpus: Corpus, choice: TokenizerChoice, read: ReadOptions, watch: Watch
) -> Tokenizer | None:
    """The chosen tokenizer, trained on a sample of the corpus if necessary.

    None for characters, which are known after the corpus has been scanned.
    """
    if isinstance(choice, Tokenizer):
        return choice
    if choice.kind == "char":
        return None
    specials = choice.special_tokens
    if choice.kind != "byte" or corpus.is_collection:
        specials = _with_end(specials)
    spec = replace(choice, special_tokens=specials)
    sample = sample_texts(open_readers(corpus.inputs, read, Cuts.WORDS))
    if sample.every > 1:
        watch.note(
            f"the tokenizer learns from {sample.n_bytes / 2**20:,.0f} MiB, every "
            f"{sample.every}th chunk of the corpus"
        )
    with watch.stage(f"training the {spec.kind} tokenizer", sample.n_bytes) as advance:
        return train_tokenizer(spec, sample.texts(), advance)


def scanned_tokenizer(choice: TokenizerChoice, scan: Scan, is_collection: bool) -> Tokenizer:
    """A tokenizer with an id per character of the corpus, and an end-of-text for documents."""
    assert isinstance(choice, TokenizerSpec), "a tokenizer that exists needs no scan"
    specials = _with_end(choice.special_tokens) if is_collection else choice.special_tokens
    return character_tokenizer(scan.alphabet, choice.unk, specials)


def _with_end(specials: Sequence[str]) -> tuple[str, ...]:
    return tuple(specials) if END_OF_TEXT in specials else (*specials, END_OF_TEXT)
