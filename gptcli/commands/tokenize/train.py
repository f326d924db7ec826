"""``--train``: a vocabulary learnt from text, written to a new directory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptcli.commands.tokenizer_choices import one_size, share_of, taught_tokenizer
from gptcli.commands.view.legacy import deliver
from gptcli.commands.view.terminal import escape_controls, note
from gptcli.errors import UsageError
from gptcli.runtime.files import write_text
from gptcli.runtime.outputs import OutputKind, check_replaceable, output_directory
from gptcli.tokenization.tokenizer import TOKENIZER_FILE

if TYPE_CHECKING:
    from gptcli.commands.text_source import Source, TrainingSample
    from gptcli.tokenization.kinds import TokenizerSpec
    from gptcli.tokenization.tokenizer import Tokenizer
    from gptcli.tokenization.usage import Usage
    from gptcli.tokenization.vocabulary import VocabularyEntry

_TOKENIZER = OutputKind("tokenizer", TOKENIZER_FILE, None, frozenset({TOKENIZER_FILE}))
_TRIED_ON = 2**21  # bytes of the text, to say how well it does


@dataclass(frozen=True)
class Training:
    """What to make and where to put it; checked before any text is read."""

    spec: "TokenizerSpec"
    directory: Path
    overwrite: bool


@dataclass(frozen=True)
class Taught:
    """A new tokenizer, what it learnt from, and how it does on ``n_bytes`` of that."""

    tokenizer: "Tokenizer"
    training_sample: "TrainingSample"
    usage: "Usage"
    longest: "Sequence[VocabularyEntry]"
    n_bytes: int

    @property
    def bytes_per_token(self) -> float | None:
        """None where nothing was made of the text."""
        return self.n_bytes / self.usage.n_tokens if self.usage.n_tokens else None


def planned_training(
    kind: str, vocab_size: int | None, special_tokens: Sequence[str], out: Path | None, over: bool
) -> Training:
    """What the flags ask for: a kind, with its size behind a colon or in --vocab-size.

    A kind that is trained to a size gets <|endoftext|> too: documents end with it.
    """
    from gptcli.tokenization.kinds import END_OF_TEXT, SIZED_KINDS, TokenizerSpec, parse_spec

    named = parse_spec(kind)
    size = one_size(f"--train {kind}", named, vocab_size) if named else vocab_size
    kind = named.kind if named else kind
    ends = (END_OF_TEXT,) if kind in SIZED_KINDS and END_OF_TEXT not in special_tokens else ()
    spec = TokenizerSpec(kind, size, special_tokens=(*ends, *special_tokens))
    if out is None:
        example = f"{kind}-{spec.size}" if kind in SIZED_KINDS else kind
        raise UsageError(f"--train needs a place for the tokenizer: give --out tok/{example}")
    check_replaceable(out, over, _TOKENIZER)
    return Training(spec, out, over)


def train(planned: Training, source: "Source", is_json: bool) -> None:
    """Learn, write and report."""
    from gptcli.tokenization.kinds import SIZED_KINDS

    with output_directory(planned.directory, planned.overwrite, _TOKENIZER) as building:
        taught = _teach(planned.spec, source)
        write_text(building / TOKENIZER_FILE, taught.tokenizer.to_json())
    about = _document if is_json else _summary
    size = taught.tokenizer.vocab_size
    if planned.spec.kind in SIZED_KINDS and size < planned.spec.size:
        note(f"{size:,} tokens are all that the text gives, of {planned.spec.size:,} asked for")
    deliver(about(planned.directory, source.name, taught), None)
    note(f"next: gptcli prepare --tokenizer {planned.directory} FILE")


def _teach(spec: "TokenizerSpec", source: "Source") -> Taught:
    from gptcli.tokenization.bulk import bulk_encoder
    from gptcli.tokenization.usage import longest_entries, measure_usage
    from gptcli.tokenization.vocabulary import Vocabulary

    tokenizer, training_sample = taught_tokenizer(spec, source)
    texts = list(_trial(training_sample.texts()))
    ids = bulk_encoder(tokenizer, "uint32").encode(texts)
    n_bytes = sum(len(text.encode()) for text in texts)
    usage = measure_usage(tokenizer, ids)
    longest = longest_entries(Vocabulary(tokenizer))
    return Taught(tokenizer, training_sample, usage, longest, n_bytes)


def _trial(texts: Iterator[str]) -> Iterator[str]:
    """So many of the texts that they are worth measuring, and at least one."""
    n_bytes = 0
    for text in texts:
        yield text
        n_bytes += len(text.encode())
        if n_bytes >= _TRIED_ON:
            return


def _document(directory: Path, name: str, taught: Taught) -> str:
    import json

    from gptcli.commands.tokenize.output import tokenizer_document

    answer: dict[str, Any] = {
        "schema": "gptcli.trained-tokenizer/1",
        "directory": str(directory),
        "tokenizer": tokenizer_document(taught.tokenizer, str(directory)),
        "special_tokens": dict(taught.tokenizer.special_tokens),
        "end_of_text": taught.tokenizer.end_of_text,
        "learnt_from": {
            "name": name,
            "bytes": taught.training_sample.n_bytes,
            "of_bytes": taught.training_sample.n_total,
            "every": taught.training_sample.every,
        },
        "tried_on_bytes": taught.n_bytes,
        "tokens": taught.usage.n_tokens,
        "bytes_per_token": taught.bytes_per_token,
        "longest": [{"id": e.number, "piece": e.text} for e in taught.longest],
    }
    return json.dumps(answer, indent=2, allow_nan=False)


def _summary(directory: Path, name: str, taught: Taught) -> str:
    from gptcli.commands.tokenize.token_view import longest_labels

    tokenizer, special = taught.tokenizer, taught.tokenizer.special_tokens
    part = (
        ""
        if taught.n_bytes >= taught.training_sample.n_bytes
        else f", tried on {taught.n_bytes:,} bytes"
    )
    rows = {
        "text": name,
        "learnt from": share_of(taught.training_sample),
        "vocabulary": f"{tokenizer.vocab_size:,} ({tokenizer.kind})",
        "special": ", ".join(f"{name} {n}" for name, n in special.items()) or "none",
        "ratio": f"{taught.bytes_per_token or 0:.2f} bytes per token{part}",
        "longest": " ".join(longest_labels(tokenizer.kind, taught.longest)),
    }
    lines = [f"  {label:<12}{escape_controls(value)}" for label, value in rows.items()]
    return "\n".join([escape_controls(str(directory)), *lines])
