"""Tokenizers by name from the Hugging Face hub."""

from pathlib import Path

from gptcli.runtime.hub import Wanted, fetch_files
from gptcli.tokenization.tokenizer import TOKENIZER_FILE

_TOKENIZER = Wanted(
    "tokenizer",
    ((TOKENIZER_FILE,), ("vocab.json", "merges.txt"), ("tokenizer.model",)),
    "a tokenizer.json",
)


def fetch_tokenizer(hub_id: str, hint: str = "") -> Path:
    """A directory with the model's tokenizer.json, else vocab.json and merges.txt, else .model.

    Raises what ``fetch_files`` does.
    """
    return fetch_files(hub_id, _TOKENIZER, hint)
