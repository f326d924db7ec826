"""Loading tokenizers from files and directories of every known format, and from the hub."""

import difflib
from pathlib import Path

from gptcli.errors import CheckpointError, ResourceError, UsageError
from gptcli.runtime.files import read_bounded
from gptcli.runtime.hub import HubFiles, fetch_files, may_be_on_hub
from gptcli.tokenization.kinds import SIZED_KINDS, misspelt_kind, nearest_kind
from gptcli.tokenization.sentencepiece_model import sentencepiece_tokenizer
from gptcli.tokenization.tiktoken_file import is_tiktoken, split_regex, tiktoken_tokenizer
from gptcli.tokenization.tokenizer import LARGEST_FILE, TOKENIZER_FILE, Tokenizer
from gptcli.tokenization.tokenizer_config import SETTINGS_FILES, TokenizerConfig
from gptcli.tokenization.vocabulary_files import vocabulary_tokenizer

_PAIRS = (("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt"))
_MODELS = ("tokenizer.model", "spiece.model")
_ON_HUB = HubFiles(
    "tokenizer",
    ((TOKENIZER_FILE,), ("vocab.json", "merges.txt"), ("tokenizer.model",)),
    "a tokenizer.json",
    beside=SETTINGS_FILES,
)
# Classes of transformers that give the ids of SentencePiece itself.
_OF_SENTENCEPIECE = frozenset(
    name + fast for name in ("LlamaTokenizer", "CodeLlamaTokenizer") for fast in ("", "Fast")
)
_SUFFIXES = frozenset({".json", ".model", ".tiktoken", ".txt", ".bpe"})
_ACCEPTED = (
    "a tokenizer.json, a directory with one (a dataset, a run), encoder.json + vocab.bpe, "
    "vocab.json + merges.txt, a .tiktoken file or a SentencePiece .model"
)


def load_tokenizer(name: str | Path, pattern: str | None = None) -> Tokenizer:
    """Load the tokenizer at a path or, if nothing has that path, of a hub id.

    ``pattern`` tells how text is split, for files that do not say it themselves. Raises UsageError
    where there is no tokenizer of that name, CheckpointError for a damaged one, ResourceError
    for one that cannot be read or downloaded.
    """
    path = Path(name)
    if _exists(path):
        return _load_directory(path, pattern) if path.is_dir() else _load_file(path, pattern)
    if isinstance(name, Path) or _looks_like_path(name):
        raise UsageError(f"no tokenizer at {name}{_hint(name) or f': give {_ACCEPTED}'}")
    if misspelt_kind(name):
        raise UsageError(
            f"{name!r} is neither a path here nor a kind of tokenizer{_hint(name)} (one on "
            "the hub can be named with its owner, as owner/name)"
        )
    return _load_directory(fetch_tokenizer(name, _hint(name)), pattern)


def fetch_tokenizer(hub_id: str, hint: str = "") -> Path:
    """A directory with the tokenizer of a model on the hub; raises what ``fetch_files`` does."""
    return fetch_files(hub_id, _ON_HUB, hint)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror}") from error
    except OSError:  # a name too long for a file
        return False


def _looks_like_path(name: str) -> bool:
    """Whether ``name`` is meant to be a local file, which must not be sent over the network."""
    return not may_be_on_hub(name) or Path(name).suffix in _SUFFIXES


def _hint(name: str | Path) -> str:
    """The end of an error message with a suggestion; empty if no name is near."""
    path = Path(name)
    try:
        there = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")]
    except (OSError, ValueError):
        there = []
    if near := difflib.get_close_matches(path.name, there, n=1, cutoff=0.75):
        return f"; did you mean {path.with_name(near[0])}?"
    kind = nearest_kind(str(name))
    if not kind:
        return ""
    size = str(name).partition(":")[2] if kind in SIZED_KINDS else ""
    return f"; did you mean {kind}:{size}?" if size else f"; did you mean {kind}?"


def _load_directory(path: Path, pattern: str | None) -> Tokenizer:
    if (path / TOKENIZER_FILE).exists():
        _refuse_pattern(pattern, path)
        return Tokenizer.load(path)
    for vocabulary, merges in ((path / first, path / second) for first, second in _PAIRS):
        if vocabulary.exists() and merges.exists():
            names = (str(vocabulary), str(merges))
            config = TokenizerConfig.read(path)
            if config.split is not None:
                _refuse_pattern(pattern, path)
            regex = split_regex(config.split or pattern, f"{path} (of a {config.maker})")
            made = vocabulary_tokenizer(_read(vocabulary), _read(merges), names, config, regex)
            return made.with_flags(config)
    for name in _MODELS:
        if (path / name).exists():
            file, config = path / name, TokenizerConfig.read(path)
            whole = _load_file(file, pattern).completed(config, str(file)).with_flags(config)
            if config.maker is not None and config.tokenizer_class not in _OF_SENTENCEPIECE:
                whole.assumptions = (_assumption(file, config),)
            return whole
    raise UsageError(f"no tokenizer in {path}: give {_ACCEPTED}")


def _assumption(file: Path, config: TokenizerConfig) -> str:
    named = config.tokenizer_class
    of = f"the tokenizer_class {named:.40}" if named else "no tokenizer_class"
    return (
        f"{file} is read as SentencePiece itself reads it, a space before the first word "
        f"included where the file says so; with {of} beside it, transformers may differ"
    )


def _load_file(path: Path, pattern: str | None) -> Tokenizer:
    if not path.is_file():
        raise UsageError(f"{path} is not a file: give {_ACCEPTED}")
    if any(path.name in pair for pair in _PAIRS):
        raise UsageError(f"{path} is one of two files: give their directory, {path.parent}")
    if path.suffix == ".json":
        _refuse_pattern(pattern, path)
        return Tokenizer.load(path)
    content = _read(path)
    if path.suffix == ".tiktoken" or is_tiktoken(content):
        return tiktoken_tokenizer(content, pattern, str(path))
    _refuse_pattern(pattern, path)
    if path.suffix == ".model":
        return sentencepiece_tokenizer(content, str(path))
    if content.lstrip().startswith(b"{"):
        return Tokenizer.load(path)
    raise UsageError(f"{path} is not a tokenizer that gptcli knows: give {_ACCEPTED}")


def _refuse_pattern(pattern: str | None, path: Path) -> None:
    if pattern is not None:
        raise UsageError(
            f"--pattern is for a .tiktoken file: {path} says itself how text is split, "
            "leave --pattern out"
        )


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, LARGEST_FILE)
    except ValueError as error:
        raise CheckpointError(f"{path} is not a tokenizer: {error}") from None
    except OSError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror or error}") from error
