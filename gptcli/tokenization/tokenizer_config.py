"""What a tokenizer's makers put beside its vocabulary: added tokens, start and end, its class."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gptcli.errors import CheckpointError
from gptcli.runtime.files import parse_object, read_bounded

TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
CHAT_TEMPLATE_FILE = "chat_template.jinja"
_ADDED_FILE = "added_tokens.json"
_SPECIAL_FILE = "special_tokens_map.json"
_MODEL_FILE = "config.json"
_GENERATION_FILE = "generation_config.json"
SETTINGS_FILES = (
    TOKENIZER_CONFIG_FILE,
    CHAT_TEMPLATE_FILE,
    _ADDED_FILE,
    _SPECIAL_FILE,
    _MODEL_FILE,
    _GENERATION_FILE,
)
# One of these is beside every tokenizer.json of ours: of a dataset, a plan, a run, a saved step.
_OUR_FILES = ("dataset.json", "plan.json", "train.json", "optimizer.safetensors")
_LARGEST = 2**26  # bytes; some list ten thousand tokens, a line for each property
_TOO_HIGH = 10**9  # of an id: far above all that are used
_NAMED = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized")
# Classes and model types of transformers whose two files say nothing about how text is split.
_SPLITS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("gpt2", "roberta", "bart", "opt", "gptneo", "gptj", "codegen"), "gpt2"),
        **dict.fromkeys(("longformer", "led", "blenderbot", "deberta", "phi"), "gpt2"),
        **dict.fromkeys(("qwen2", "qwen2moe", "qwen3", "qwen3moe"), "qwen2"),
    }
)
# Those that put tokens around every text, by their usual names.
_FRAMES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("roberta", "bart", "longformer", "led"), ("<s>", "</s>")),
        "deberta": ("[CLS]", "[SEP]"),
    }
)
_PREFIXED = ("blenderbot",)  # those that put a space before every text unless told otherwise


@dataclass(frozen=True)
class TokenizerConfig:
    """The settings beside a vocabulary.

    Attributes:
        added: tokens by id, as tokenizer.json lists them.
        start: name of the token that begins a text (bos_token); None where no name is given.
        start_ids: its id according to the model's config.json.
        end: name of the token that ends a text (eos_token); None where no name is given.
        end_ids: its id according to the model's config.json or generation_config.json, which may
            name several.
        adds_start: whether text gets ``start`` before it (add_bos_token).
        adds_end: whether text gets ``end`` after it (add_eos_token).
        is_ours: whether gptcli wrote the directory.
        tokenizer_class: the tokenizer's class in transformers; None where it is not named.
        model_type: the type of the model; None where it is not named.
        frame: names of the tokens that the class puts before and after every text.
        add_prefix_space: whether text gets a space before it.
        chat_template: a text of Jinja that writes the turns of a conversation; None without one.

    """

    added: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    start: str | None = None
    start_ids: tuple[int, ...] = ()
    end: str | None = None
    end_ids: tuple[int, ...] = ()
    adds_start: bool = False
    adds_end: bool = False
    is_ours: bool = False
    tokenizer_class: str | None = None
    model_type: str | None = None
    frame: tuple[str, str] | None = None
    add_prefix_space: bool = False
    chat_template: str | None = None

    @classmethod
    def read(cls, directory: Path) -> "TokenizerConfig":
        """Read all files that are there; CheckpointError for one that is damaged."""
        settings = _read(directory / TOKENIZER_CONFIG_FILE)
        names = _read(directory / _SPECIAL_FILE)
        model = _read(directory / _MODEL_FILE)
        generation = _read(directory / _GENERATION_FILE)
        tokenizer_class = _name(settings.get("tokenizer_class"))
        model_type = _name(model.get("model_type"))
        made_by = _short(tokenizer_class or model_type or "")
        roles = {role: _name(settings.get(role)) or _name(names.get(role)) for role in _NAMED}
        frame = _FRAMES.get(made_by)
        prefixed = settings.get("add_prefix_space", made_by in _PREFIXED)
        is_ours = any((directory / name).is_file() for name in _OUR_FILES)
        template = _chat_template(directory, settings, {} if is_ours else roles)
        end, ends = roles["eos_token"], _ids(generation.get("eos_token_id"))
        if is_ours and template and set(_ids(model.get("pad_token_id"))).intersection(ends):
            end = roles["pad_token"]  # eos_token ends a turn, not a text
        return cls(
            added=_added(directory, settings, {*_names(settings), *_names(names)}),
            start=roles["bos_token"],
            start_ids=_ids(model.get("bos_token_id")),
            end=end,
            end_ids=(*_ids(model.get("eos_token_id")), *ends),
            adds_start=settings.get("add_bos_token") is True,
            adds_end=settings.get("add_eos_token") is True,
            is_ours=is_ours,
            tokenizer_class=tokenizer_class,
            model_type=model_type,
            frame=frame and (roles["cls_token"] or frame[0], roles["sep_token"] or frame[1]),
            add_prefix_space=prefixed is True,
            chat_template=template,
        )

    @property
    def maker(self) -> str | None:
        """The tokenizer's class in transformers, or else the type of the model."""
        return self.tokenizer_class or self.model_type

    @property
    def split(self) -> str | None:
        """The name of the pattern by which the maker splits text; None for an unknown maker."""
        if self.maker is None:
            return "gpt2"
        return _SPLITS.get(_short(self.maker))


def _short(maker: str) -> str:
    """``gpt2`` for GPT2TokenizerFast, and for the model type gpt2."""
    return maker.removesuffix("Fast").removesuffix("Tokenizer").lower().replace("_", "")


def _read(file: Path) -> dict[str, Any]:
    try:
        return parse_object(read_bounded(file, _LARGEST))
    except OSError:
        return {}
    except ValueError as error:
        raise CheckpointError(f"{file} cannot be used: {error}; download it again") from None


def _chat_template(
    directory: Path, settings: Mapping[str, Any], roles: Mapping[str, str | None]
) -> str | None:
    """The template of a directory; the tokens ``roles`` that it mentions are set in it.

    It lies in a file of its own or, in older directories, in tokenizer_config.json: as a text, or
    in a list of which the one named default counts.
    """
    text = _template_file(directory / CHAT_TEMPLATE_FILE)
    if text is None:
        text = settings.get("chat_template")
    if isinstance(text, list):
        named = {one.get("name"): one.get("template") for one in text if isinstance(one, dict)}
        text = named.get("default")
    if not isinstance(text, str):
        return None
    bound = [
        f"{{% set {role} = {json.dumps(name, ensure_ascii=False)} %}}"
        for role, name in roles.items()
        if name and re.search(rf"\b{role}\b", text) and f"{{% set {role} = " not in text
    ]
    return "".join(bound) + text


def _template_file(file: Path) -> str | None:
    try:
        return read_bounded(file).decode("utf-8")
    except OSError:
        return None
    except ValueError as error:
        raise CheckpointError(f"{file} cannot be used: {error}; download it again") from None


def _name(value: Any) -> str | None:
    """A token's text, which is given as such or with its properties."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) and text else None


def _names(settings: Mapping[str, Any]) -> Iterator[str]:
    """The names of the tokens with a role, which are special."""
    more = settings.get("additional_special_tokens") or ()
    listed = more if isinstance(more, list) else ()
    for value in (*(settings.get(role) for role in _NAMED), *listed):
        if name := _name(value):
            yield name


def _ids(value: Any) -> tuple[int, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(number for number in listed if type(number) is int)


def _added(
    directory: Path, settings: Mapping[str, Any], special: set[str]
) -> dict[int, dict[str, Any]]:
    """The tokens of added_tokens.json and of added_tokens_decoder, in the order of their ids."""
    found = {}
    for name, number in _read(directory / _ADDED_FILE).items():
        if type(number) is not int or not 0 <= number < _TOO_HIGH:
            raise CheckpointError(
                f"{directory / _ADDED_FILE}: the id of {name!r:.80} is not a number of a token"
            )
        found[number] = _token(number, name, {}, name in special)
    listed = settings.get("added_tokens_decoder")
    for key, value in listed.items() if isinstance(listed, dict) else ():
        text = _name(value)
        if text is None or not (key.isascii() and key.isdigit() and len(key) < 10):
            raise CheckpointError(
                f"{directory / TOKENIZER_CONFIG_FILE}: token {key!r:.20} of added_tokens_decoder "
                "has no text or no id"
            )
        given = value if isinstance(value, dict) else {}
        is_special = given.get("special") is True or text in special
        found[int(key)] = _token(int(key), text, given, is_special)
    return dict(sorted(found.items()))


def _token(number: int, name: str, given: Mapping[str, Any], is_special: bool) -> dict[str, Any]:
    flags = {flag: given.get(flag) is True for flag in _FLAGS}
    if "normalized" not in given:
        flags["normalized"] = not is_special
    return {"id": number, "content": name, **flags, "special": is_special}
