"""A page of coloured tokens."""

from dataclasses import dataclass
from functools import cache

from gptcli.commands.tokenize.token_stream import TokenStream, beginning, counts_line
from gptcli.commands.view.pages import render_page, visible_words
from gptcli.tokenization.vocabulary import Vocabulary, VocabularyEntry

_MOST_TOKENS = 100_000  # browsers scroll larger pages slowly
_LONGEST_HINT = 64  # bytes


@dataclass(frozen=True)
class _PageToken:
    """Everything that the page shows of a token; ``hint`` is its tooltip."""

    label: str
    number: int
    hint: str
    ends_line: bool


def token_page(stream: TokenStream, most_tokens: int = _MOST_TOKENS) -> str:
    """The HTML of a text's tokens; of a long text only the first ``most_tokens``."""
    ids, counts = beginning(stream, most_tokens)
    vocabulary = Vocabulary(stream.chosen.tokenizer)
    token = cache(lambda number: _page_token(vocabulary.entry(number)))
    return render_page(
        "gptcli.commands.tokenize",
        "tokens.html",
        title=f"Tokens of {visible_words(stream.name)}",
        about=[
            f"tokenizer: {visible_words(stream.chosen.origin)}",
            counts_line(counts, stream.chosen),
        ],
        cut=_cut(len(ids), counts.tokens),
        tokens=(token(number) for number in ids),
    )


def _page_token(entry: VocabularyEntry) -> _PageToken:
    listed = entry.content[:_LONGEST_HINT].hex(" ")
    more = " ..." if len(entry.content) > _LONGEST_HINT else ""
    noun = "special token" if entry.is_special else "piece"
    hint = f"id {entry.number}\nbytes {listed}{more}\n{noun} {entry.label}"
    return _PageToken(entry.label, entry.number, hint, entry.content.endswith(b"\n"))


def _cut(n_shown: int, n_tokens: int) -> str:
    if n_shown == n_tokens:
        return ""
    return f"The first {n_shown:,} of {n_tokens:,} tokens are shown; the counts are of all."
