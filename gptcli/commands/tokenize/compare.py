"""``--compare``: a small code book and long sequences, or the other way round."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gptcli.commands.text_source import Source
from gptcli.commands.tokenize.output import Output, tokenizer_document
from gptcli.commands.tokenize.token_stream import Encoded
from gptcli.commands.tokenizer_choices import named_tokenizer
from gptcli.errors import UsageError
from gptcli.tokenization.usage import Usage, measure_usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gptcli.tokenization.tokenizer import Tokenizer


@dataclass(frozen=True)
class Side:
    """One tokenizer of the comparison and what it made of the text."""

    name: str
    tokenizer: "Tokenizer"
    origin: str
    usage: Usage

    @property
    def used_share(self) -> float:
        """Of the code book, the part that is in the text."""
        return self.usage.n_used / self.tokenizer.vocab_size


@dataclass
class TextSize:
    """Of the text, known when it has been read."""

    characters: int = 0
    bytes: int = 0


def compare(listed: str, pattern: str | None, source: Source, output: Output) -> None:
    """Give what the tokenizers listed, with commas between them, make of a text."""
    names = [name.strip() for name in listed.split(",")]
    if not all(names) or len(set(names)) != len(names):
        raise UsageError(f"--compare {listed!r}: name each tokenizer once, as in char,bpe:512,gpt2")
    sides, size = [], TextSize()
    for name in names:
        tokenizer, origin = named_tokenizer(name, pattern, source)
        size = TextSize()
        stream = Encoded(source, tokenizer, origin)
        usage = measure_usage(tokenizer, _ids(stream, size))
        sides.append(Side(name, tokenizer, origin, usage))
    if output.form == "json":
        output.document(_document(source, size, sides))
    else:
        from gptcli.commands.tokenize.compare_view import draw_comparison

        draw_comparison(source.name, size, sides, output)


def _ids(stream: Encoded, size: TextSize) -> "Iterator[NDArray[Any]]":
    for texts, arrays in stream.arrays():
        size.characters += sum(map(len, texts))
        size.bytes += sum(len(text.encode()) for text in texts)
        yield from arrays


def _document(source: Source, size: TextSize, sides: Sequence[Side]) -> dict[str, Any]:
    return {
        "schema": "gptcli.comparison/1",
        "text": {"name": source.name, "characters": size.characters, "bytes": size.bytes},
        "tokenizers": [_side_document(side, size) for side in sides],
    }


def _side_document(side: Side, size: TextSize) -> dict[str, Any]:
    n_tokens = side.usage.n_tokens
    return {
        "name": side.name,
        **tokenizer_document(side.tokenizer, side.origin),
        "tokens": n_tokens,
        "bytes_per_token": size.bytes / n_tokens if n_tokens else None,
        "used": side.usage.n_used,
        "used_share": side.used_share,
        "longest": [{"id": entry.number, "piece": entry.text} for entry in side.usage.longest],
    }
