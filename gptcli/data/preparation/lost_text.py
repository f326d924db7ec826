"""Telling of text that a tokenizer does not keep, and refusing a tokenizer that loses much."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from gptcli.data.corpus.chunks import Reader
from gptcli.data.corpus.reading import sample_texts
from gptcli.data.dataset_record import SplitRecord
from gptcli.errors import DataError
from gptcli.tokenization.bulk import bulk_encoder
from gptcli.tokenization.text_loss import MOST_LOST, TextLoss
from gptcli.tokenization.tokenizer import Tokenizer

_SAMPLED_BYTES = 2**22  # of the corpus, evenly
_TRIED = 2**18  # characters of these
_TRIED_OF_A_TEXT = 2**16
_REMEDY = "choose another --tokenizer (byte keeps every text), or continue with --allow-unknown"


def check_sample(
    title: str,
    readers: Sequence[Reader],
    tokenizer: Tokenizer,
    is_allowed: bool,
    note: Callable[[str], None],
) -> None:
    """Try a tokenizer on some of the corpus, before all of it is encoded.

    Raises DataError where it loses more than MOST_LOST of the characters, unless that
    ``is_allowed``; a note tells of any that are lost.
    """
    loss = TextLoss.of(tokenizer)
    if loss is None:
        return
    encoder = bulk_encoder(tokenizer, "uint32")
    lost: Counter[str] = Counter()
    tried = 0
    for text in _tried_texts(readers):
        (ids,) = encoder.encode([text])
        lost += loss.characters(text, ids)
        tried += len(text)
    if not lost:
        return
    share = lost.total() / tried
    told = (
        f"the tokenizer loses {lost.total():,} of {tried:,} characters ({share:.2%}) of {title}: "
        f"{loss.description(lost)}"
    )
    if share > MOST_LOST and not is_allowed:
        raise DataError(f"{told}: {_REMEDY}")
    note(told)


def check_total(title: str, splits: Mapping[str, SplitRecord], is_allowed: bool) -> None:
    """Raise DataError where more than MOST_LOST of all characters was lost."""
    lost = sum(split.lost or 0 for split in splits.values())
    characters = sum(split.characters for split in splits.values())
    if lost > MOST_LOST * characters and not is_allowed:
        raise DataError(
            f"the tokenizer loses {lost:,} of {characters:,} characters "
            f"({lost / characters:.2%}) of {title}: {_REMEDY}"
        )


def _tried_texts(readers: Sequence[Reader]) -> Iterator[str]:
    left = _TRIED
    for text in sample_texts(readers, _SAMPLED_BYTES).texts():
        piece = text[: min(left, _TRIED_OF_A_TEXT)]
        left -= len(piece)
        yield piece
        if not left:
            return
