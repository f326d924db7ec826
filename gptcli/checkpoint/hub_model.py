"""Models by name from the Hugging Face hub."""

from pathlib import Path

from gptcli.checkpoint.config_json import CONFIG_FILE
from gptcli.checkpoint.model_files import INDEX_FILE, WEIGHTS_FILE, weight_names
from gptcli.runtime.hub import Wanted, fetch_files
from gptcli.tokenization.hub_tokenizer import fetch_tokenizer

_INSTEAD = "the path of a model directory"
_CONFIG = Wanted("model", ((CONFIG_FILE,),), _INSTEAD)
_MODEL = Wanted(
    "model in safetensors, pickles being never opened",
    ((CONFIG_FILE, WEIGHTS_FILE), (CONFIG_FILE, INDEX_FILE)),
    _INSTEAD,
)


def fetch_description(hub_id: str, hint: str = "") -> Path:
    """A directory with the model's config.json; raises what ``fetch_files`` does."""
    return fetch_files(hub_id, _CONFIG, hint)


def fetch_model(hub_id: str, hint: str = "") -> Path:
    """A directory with the model's config, weights and tokenizer; raises as ``fetch_files``."""
    directory = fetch_files(hub_id, _MODEL, hint)
    shards = tuple(weight_names(directory))
    if shards != (WEIGHTS_FILE,):
        fetch_files(hub_id, Wanted("model", (shards,), _INSTEAD), hint)
    fetch_tokenizer(hub_id, hint)
    return directory
