"""A byte-level BPE computed by tiktoken, where that provably gives the ids of the library.

tiktoken merges any two neighbours that are a token together, the lowest id first; the library
merges those that its list of merges names, the first of the list first. They agree when

- the merges are in the order of their products' ids, each product is made by exactly one merge,
  and that comes after those of its parts, and
- each product, encoded alone by the library, is one token.

Proof: every merge that contributes to a product has a lower id than the product, and when these
are done, its two parts are left. In any word, when tiktoken is about to merge two neighbours
into a product, no merge so far has crossed the ends of the product's text, and no merge with a
lower id is left to do. So within these ends the same merges were done as for the product alone,
the two neighbours are its two parts, and the library merges the same pair. tiktoken also looks
up a whole word, and takes it if it is a token; the second condition makes that the same. Both
first split the text into words, by the same regular expression.

With ``ignore_merges`` the library also looks up whole words. Then there may be tokens without a
merge. tiktoken would join two neighbours into such a token, whatever their ids; by the argument
above, these would be the two tokens that merges leave of it alone. So no such token may be left
as two tokens.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tiktoken
from tokenizers import models

from gptcli.tokenization.byte_level import byte_letters, byte_values, is_plain_byte_level
from gptcli.tokenization.splits import SPLIT_PATTERNS, grouped
from gptcli.tokenization.tokenizer import Tokenizer

_Pairs = Sequence[tuple[str, str]]


def tiktoken_encoding(tokenizer: Tokenizer) -> tiktoken.Encoding | None:
    """The same tokenizer for tiktoken; None for another kind, or if equality is not proven."""
    content = tokenizer.content
    pattern = split_pattern(content["pre_tokenizer"])
    if pattern is None or not is_plain_byte_level(content):
        return None
    vocabulary = _without_special(tokenizer)
    merges = [(left, right) for left, right in content["model"]["merges"]]
    if vocabulary is None or not _in_order(vocabulary, merges):
        return None
    if not _agree(vocabulary, merges, bool(content["model"]["ignore_merges"])):
        return None
    values = byte_values()
    ranks = {
        bytes([values[letter] for letter in token]): number for token, number in vocabulary.items()
    }
    # Without any special token, tiktoken's search for them would stop at every character.
    return tiktoken.Encoding(
        "gptcli",
        pat_str=grouped(pattern),
        mergeable_ranks=ranks,
        special_tokens={"<|never|>": 1 + max(vocabulary.values())},
    )


def split_pattern(pre_tokenizer: Mapping[str, Any] | None) -> str | None:
    """The known regular expression that splits text into words; None for another way."""
    match pre_tokenizer:
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}:
            return SPLIT_PATTERNS["gpt2"]
        case {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": str(pattern)},
                    "behavior": "Isolated",
                    "invert": False,
                },
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        } if pattern in SPLIT_PATTERNS.values():
            return pattern
    return None


def _without_special(tokenizer: Tokenizer) -> dict[str, int] | None:
    """The tokens of byte letters; None if a byte is missing, or a token has other letters.

    The vocabulary may also list special tokens. The library must not be able to look these up:
    they must not be single words, and no merge makes them.
    """
    special, letters = tokenizer.special_tokens, set(byte_letters())
    vocabulary: Mapping[str, int] = tokenizer.content["model"]["vocab"]
    plain = {token: number for token, number in vocabulary.items() if token not in special}
    split = tokenizer.inner.pre_tokenizer.pre_tokenize_str
    listed = [name for name in special if name in vocabulary]
    if any(len(split(name)) < 2 for name in listed) or not letters <= plain.keys():
        return None
    return plain if all(letters.issuperset(token) for token in plain) else None


def _in_order(vocabulary: Mapping[str, int], merges: _Pairs) -> bool:
    """Whether the merges are in the order of their products' ids, each after its parts."""
    known, before = set(byte_letters()), -1
    for left, right in merges:
        product = vocabulary.get(left + right, -1)
        if product <= before or left not in known or right not in known:
            return False
        known.add(left + right)
        before = product
    return True


def _agree(vocabulary: Mapping[str, int], merges: _Pairs, takes_words: bool) -> bool:
    """Whether each product alone is one token, and tiktoken cannot make any other token."""
    model = models.BPE(dict(vocabulary), list(merges))
    products = [left + right for left, right in merges]
    if not all(len(model.tokenize(product)) == 1 for product in products):
        return False
    others = vocabulary.keys() - set(products) - set(byte_letters())
    if not takes_words:
        return not others
    return not any(len(model.tokenize(token)) == 2 for token in others)
