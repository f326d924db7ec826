"""``--train``: trains a tokenizer on a text and writes it to a new directory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gptcli.commands.tokenize.chosen_tokenizer import (
    ChosenTokenizer,
    learn_tokenizer,
    share_of,
)
from gptcli.commands.tokenize.comparison import longest_labels
from gptcli.commands.tokenize.text_source import TextSource, TrainingSample
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.tables import Figure, Table, facts
from gptcli.commands.view.terminal import note
from gptcli.runtime.escapes import typed
from gptcli.runtime.files import write_text
from gptcli.runtime.outputs import OutputKind, check_replaceable, output_directory
from gptcli.tokenization.bulk import bulk_encoder
from gptcli.tokenization.kinds import SIZED_KINDS, TokenizerSpec
from gptcli.tokenization.tokenizer import TOKENIZER_FILE
from gptcli.tokenization.usage import Usage, longest_entries, measure_usage
from gptcli.tokenization.vocabulary import Vocabulary, VocabularyEntry

_TOKENIZER = OutputKind("tokenizer", TOKENIZER_FILE, None, frozenset({TOKENIZER_FILE}))
_TRIED_ON = 2**21  # bytes of the text that are encoded to measure the tokenizer


@dataclass(frozen=True)
class LearntTokenizer:
    """A new tokenizer, its training text, and measurements on ``n_bytes`` of that."""

    chosen: ChosenTokenizer
    sample: TrainingSample
    usage: Usage
    longest: Sequence[VocabularyEntry]
    n_bytes: int

    @property
    def bytes_per_token(self) -> float | None:
        """The compression ratio; None where the text gave no tokens."""
        return self.n_bytes / self.usage.n_tokens if self.usage.n_tokens else None


def check_place(directory: Path, overwrite: bool) -> None:
    """Raise UsageError, before any text is read, for a directory that is taken."""
    check_replaceable(directory, overwrite, _TOKENIZER)


def train(spec: TokenizerSpec, directory: Path, overwrite: bool, source: TextSource) -> Answer:
    """Train a tokenizer, write it, and report on it."""
    with output_directory(directory, overwrite, _TOKENIZER) as building:
        learnt = _learn(spec, directory, source)
        write_text(building / TOKENIZER_FILE, learnt.chosen.tokenizer.to_json())
    size = learnt.chosen.tokenizer.vocab_size
    if spec.kind in SIZED_KINDS and size < spec.size:
        note(f"{size:,} tokens are all that the text yields; {spec.size:,} were asked for")
    return Answer(
        "gptcli.trained-tokenizer/1",
        lambda: _document(directory, source.name, learnt),
        [_facts(directory, source.name, learnt)],
        after=lambda: note(f"next: gptcli prepare --tokenizer {typed(directory)} FILE"),
    )


def _learn(spec: TokenizerSpec, directory: Path, source: TextSource) -> LearntTokenizer:
    tokenizer, sample = learn_tokenizer(spec, source)
    texts = list(_trial(sample.texts()))
    usage = measure_usage(tokenizer, bulk_encoder(tokenizer, "uint32").encode(texts))
    return LearntTokenizer(
        chosen=ChosenTokenizer(tokenizer, str(directory)),
        sample=sample,
        usage=usage,
        longest=longest_entries(Vocabulary(tokenizer)),
        n_bytes=sum(len(text.encode()) for text in texts),
    )


def _trial(texts: Iterator[str]) -> Iterator[str]:
    """The first texts, together about _TRIED_ON bytes, at least one."""
    n_bytes = 0
    for text in texts:
        yield text
        n_bytes += len(text.encode())
        if n_bytes >= _TRIED_ON:
            return


def _document(directory: Path, name: str, learnt: LearntTokenizer) -> Document:
    return {
        "directory": str(directory),
        "tokenizer": learnt.chosen.document(),
        "special_tokens": dict(learnt.chosen.tokenizer.special_tokens),
        "end_of_text": learnt.chosen.tokenizer.end_of_text,
        "learnt_from": {
            "name": name,
            "bytes": learnt.sample.n_bytes,
            "of_bytes": learnt.sample.n_total,
            "every": learnt.sample.every,
        },
        "tried_on_bytes": learnt.n_bytes,
        "tokens": learnt.usage.n_tokens,
        "bytes_per_token": learnt.bytes_per_token,
        "longest": [{"id": entry.number, "piece": entry.text} for entry in learnt.longest],
    }


def _facts(directory: Path, name: str, learnt: LearntTokenizer) -> Table:
    tokenizer, sample, ratio = learnt.chosen.tokenizer, learnt.sample, learnt.bytes_per_token
    is_part = learnt.n_bytes < sample.n_bytes
    tried = f", tried on {learnt.n_bytes:,} bytes" if is_part else ""
    special = ", ".join(f"{token} {n}" for token, n in tokenizer.special_tokens.items())
    size = tokenizer.vocab_size
    return facts(
        str(directory),
        [
            ("text", name),
            ("trained on", Figure(sample.n_bytes, share_of(sample))),
            ("vocabulary", Figure(size, f"{size:,} ({tokenizer.kind})")),
            ("special", special or "none"),
            ("ratio", Figure(ratio, f"{ratio or 0:.2f} bytes per token{tried}")),
            ("longest", longest_labels(learnt.chosen, learnt.longest)),
        ],
    )
