"""The lecture's tokenizer: one token per character."""

from collections.abc import Iterable, Sequence

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from gptcli.errors import DataError
from gptcli.tokenization.tokenizer import Tokenizer

UNK = "<unk>"


def character_tokenizer(
    characters: Iterable[str], unk: bool = False, special_tokens: Sequence[str] = ()
) -> Tokenizer:
    """A tokenizer of the distinct ``characters``, ids in the order of their code points.

    With ``unk`` the next id stands for every other character; without, those are errors. Then
    come the ``special_tokens``, which no text becomes. A text is a fine argument: its
    characters are what is taken.
    """
    alphabet = sorted(set(characters))
    if not alphabet:
        raise DataError("no characters to make a tokenizer of: the text is empty")
    vocabulary = {character: number for number, character in enumerate(alphabet)}
    if unk:
        vocabulary[UNK] = len(vocabulary)
    inner = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=UNK))
    # The empty pattern matches between any two characters; Fuse joins without spaces.
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner.decoder = decoders.Fuse()
    inner.add_special_tokens(list(special_tokens))
    return Tokenizer(inner)
