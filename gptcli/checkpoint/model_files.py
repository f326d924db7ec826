"""The files of a model directory, and the content of those that are not weights."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gptcli.checkpoint.config_json import CONFIG_FILE, model_config_json, read_small_json
from gptcli.config.model import ModelConfig
from gptcli.data.chat.chat_template import ChatTemplate
from gptcli.errors import CheckpointError, UsageError
from gptcli.runtime.files import write_json, write_text
from gptcli.tokenization.tokenizer import TOKENIZER_FILE, Tokenizer, template_settings
from gptcli.tokenization.tokenizer_config import TOKENIZER_CONFIG_FILE

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
GENERATION_FILE = "generation_config.json"
_SHARD_NAME = re.compile(r"[A-Za-z0-9_.-]{1,240}\.safetensors")
DESCRIPTION_FILES = (CONFIG_FILE, TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, GENERATION_FILE)
MODEL_FILES = (*DESCRIPTION_FILES, WEIGHTS_FILE)
_START_NAME, _END_NAME, _PADDING_NAME = "bos_token_id", "eos_token_id", "pad_token_id"
_SPECIAL_NAMES = (_START_NAME, _END_NAME, _PADDING_NAME)


def write_description(directory: Path, config: ModelConfig, tokenizer: Tokenizer) -> None:
    """Write all files but the weights, as transformers expects them.

    In a directory with a chat template, what ends an assistant's turn is the end token, and the
    end-of-text token, if that is another one, is padding.
    """
    names: dict[int | None, str] = {
        number: name for name, number in tokenizer.special_tokens.items()
    }
    turn, text = end_of_turn(tokenizer), tokenizer.end_of_text
    end = text if turn is None else turn
    padding = None if text == end else text
    start = next(iter(tokenizer.template.before), None)
    roles = {_START_NAME: start, _END_NAME: end, _PADDING_NAME: padding}
    ends = [end, padding] if padding is not None else end
    if config.score and padding is None:
        # transformers reads a score at the last token that is no padding, and TRL would pad with
        # the end token: another special one is named, or any id that ends no text.
        special = tokenizer.special_tokens.values()
        padding = next((number for number in special if number != end), None)
        roles[_PADDING_NAME] = int(end == 0) if padding is None else padding
    write_json(directory / CONFIG_FILE, model_config_json(config) | roles)
    write_text(directory / TOKENIZER_FILE, tokenizer.to_json())
    settings = {
        **_tokenizer_config(config, names.get(end), names.get(padding)),
        **template_settings(tokenizer),
        **({"chat_template": tokenizer.chat_template} if tokenizer.chat_template else {}),
    }
    write_json(directory / TOKENIZER_CONFIG_FILE, settings)
    write_json(directory / GENERATION_FILE, {"do_sample": True, **roles, _END_NAME: ends})


def end_of_turn(tokenizer: Tokenizer) -> int | None:
    """Id of the token that ends an assistant's turn; None without a chat template.

    CheckpointError where the chat template writes none.
    """
    template = ChatTemplate.of(tokenizer)
    return None if template is None else tokenizer.special_tokens[template.end_token]


def _tokenizer_config(config: ModelConfig, end: str | None, padding: str | None) -> dict[str, Any]:
    # Without the class, transformers uses GPT2Tokenizer for a gpt2 model, which gives other ids.
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": config.block_size,
        "bos_token": None,
        "eos_token": end,
        "unk_token": None,
        "pad_token": padding,
    }


def end_ids(directory: Path, vocab_size: int) -> frozenset[int]:
    """The ids that end a text, according to the directory's files and within the vocabulary."""
    return frozenset(
        number
        for _, name, number in _special_ids(directory)
        if name == _END_NAME and 0 <= number < vocab_size
    )


def special_id_notes(directory: Path, vocab_size: int) -> tuple[str, ...]:
    """A line for each field with special ids outside the vocabulary; such an id is ignored.

    Small models written by transformers often name GPT-2's end of text, 50256, which they lack.
    """
    beyond: dict[tuple[Path, str], list[int]] = {}
    for file, name, number in _special_ids(directory):
        if not 0 <= number < vocab_size:
            beyond.setdefault((file, name), []).append(number)
    return tuple(
        f"{file}: {name} {numbers[0]!s:.20}{_more(len(numbers) - 1)} beyond the vocabulary of "
        f"{vocab_size:,}, so it is ignored"
        for (file, name), numbers in beyond.items()
    )


def _more(count: int) -> str:
    return f" (and {count:,} more) is" if count else " is"


def _special_ids(directory: Path) -> Iterator[tuple[Path, str, int]]:
    """Every special id that a file of the directory names."""
    for file in (directory / CONFIG_FILE, directory / GENERATION_FILE):
        raw = read_small_json(file) if file.is_file() else {}
        for name in _SPECIAL_NAMES:
            value = raw.get(name)
            for number in value if isinstance(value, list) else [value]:
                if isinstance(number, int) and not isinstance(number, bool):
                    yield file, name, number


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a model directory; CheckpointError where one is missing."""
    files = [directory / name for name in weight_names(directory)]
    for file in files:
        if not file.is_file():
            raise CheckpointError(f"{file} not found, but {INDEX_FILE} names it: copy it again")
    return files


def weight_names(directory: Path) -> list[str]:
    """The names of the files with weights: a single one, or the shards of the index."""
    single, index = directory / WEIGHTS_FILE, directory / INDEX_FILE
    if single.is_file():
        return [single.name]
    if index.is_file():
        return _shard_names(index)
    pickles = [*directory.glob("*.bin"), *directory.glob("*.pt"), *directory.glob("*.pth")]
    if pickles:
        raise CheckpointError(
            f"{pickles[0]} is a pickle, which can run code and is never opened: "
            "save the model as safetensors"
        )
    raise UsageError(f"{directory} has no {WEIGHTS_FILE}: it is not a finished model directory")


def _shard_names(index: Path) -> list[str]:
    weight_map = read_small_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f'{index} has no "weight_map"')
    names = {str(name) for name in weight_map.values()}
    for name in names:
        if not _SHARD_NAME.fullmatch(name):
            raise CheckpointError(f"{index} names {name!r:.80}, which is not a file beside it")
    return sorted(names)
