"""Damaged files of tokenizers, and what must hold of each that is read."""

import base64
import io
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sentencepiece
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from tokenizers import Tokenizer as LibraryTokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from gptcli.errors import GptcliError
from gptcli.tokenization.bulk import bulk_encoder
from gptcli.tokenization.kinds import TokenizerSpec
from gptcli.tokenization.loading import load_tokenizer
from gptcli.tokenization.splits import cuts_of
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import train_tokenizer
from gptcli.tokenization.vocabulary import Vocabulary
from tests.faults.fuzzing import Target
from tests.faults.mutations import damaged_bytes, damaged_json

_TEXT = (
    "The cat sat on 12 mats, and that was that.\n  caf\u00e9 na\u00efve \U0001f600 <|endoftext|>\n"
)


@cache
def _documents() -> tuple[Any, ...]:
    """A tokenizer.json of each kind, and one with a bit of everything."""
    made = [
        train_tokenizer(TokenizerSpec(kind, size, special_tokens=("<|endoftext|>",)), [_TEXT] * 9)
        for kind, size in (
            ("char", None), ("byte", None), ("word", 40), ("bpe", 300), ("wordpiece", 540),
            ("unigram", 540),
        )
    ]  # fmt: skip
    return (*(json.loads(one.to_json()) for one in made), json.loads(_with_all().to_str()))


def _with_all() -> LibraryTokenizer:
    names = ["<unk>", "[CLS]", "[SEP]", *sorted({*_TEXT.lower(), "\u2581", "th", "at"})]
    model = models.BPE({name: number for number, name in enumerate(names)}, [("t", "h")])
    model.unk_token = "<unk>"
    inner = LibraryTokenizer(model)
    inner.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(" ", "\u2581"), normalizers.Prepend("\u2581"),
         normalizers.Lowercase(), normalizers.Strip(), normalizers.StripAccents()]
    )  # fmt: skip
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    inner.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Strip(" ", 1, 0)]
    )
    inner.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 1), ("[SEP]", 2)]
    )
    inner.add_special_tokens(["[CLS]", "[SEP]"])
    return inner


def _tokenizer_files() -> SearchStrategy[bytes]:
    documents = _documents()
    texts = [json.dumps(one).encode() for one in documents]
    broken = st.sampled_from(texts).flatmap(damaged_bytes)
    changed = st.sampled_from(documents).flatmap(damaged_json)
    return changed.map(lambda text: text.encode("utf-8", "surrogatepass")) | broken


def read_tokenizer(path: Path) -> None:
    """Use a tokenizer in every way; what it writes must be the same tokenizer."""
    tokenizer = load_tokenizer(path)
    again = Tokenizer.from_json(tokenizer.to_json())
    assert again.has_identity(tokenizer.identity), "it is another one when it is written"
    _ = cuts_of(tokenizer), [entry.label for entry in Vocabulary(tokenizer)], tokenizer.notes
    try:
        ids = tokenizer.encode(_TEXT, add_special_tokens=True)
        own = tokenizer.encode(_TEXT)
    except GptcliError:  # it may lack characters
        return
    assert ids.max(initial=0) < tokenizer.vocab_size
    assert isinstance(tokenizer.decode(ids), str)
    assert again.encode(_TEXT).tolist() == own.tolist(), "it gives other ids when it is written"
    if len(own):
        (bulk,) = bulk_encoder(tokenizer, "uint32").encode([_TEXT])
        assert bulk.tolist() == own.tolist(), "whole texts get other ids"


def _tiktoken_files() -> SearchStrategy[bytes]:
    merged = [b"th", b"the", b" t", b" the", "\u00e9".encode()]
    tokens = [bytes([value]) for value in range(256)] + merged
    lines = b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens))
    return damaged_bytes(lines)


def _read_tiktoken(path: Path) -> None:
    """Every line's token, if it is text, must have the line's rank."""
    tokenizer = load_tokenizer(path, "gpt2")
    for line in filter(bytes.strip, path.read_bytes().splitlines()):
        token, rank = line.split()
        text = base64.b64decode(token).decode("utf-8", "replace")
        if "\ufffd" not in text:
            assert tokenizer.decode([int(rank)]) == text, line
    assert tokenizer.decode(tokenizer.encode(_TEXT)) == _TEXT


@cache
def _sentencepiece_models() -> tuple[bytes, ...]:
    made = []
    for kind, fallback in (("unigram", False), ("bpe", True)):
        written = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([_TEXT.strip()] * 9), model_writer=written, model_type=kind,
            vocab_size=80 + 256 * fallback, byte_fallback=fallback, hard_vocab_limit=False,
            minloglevel=3,
        )  # fmt: skip
        made.append(written.getvalue())
    return tuple(made)


def _sentencepiece_files() -> SearchStrategy[bytes]:
    return st.sampled_from(_sentencepiece_models()).flatmap(damaged_bytes)


TOKENIZER_FILES: Mapping[str, Target] = MappingProxyType(
    {
        "tokenizer.json": Target("tokenizer.json", _tokenizer_files, read_tokenizer),
        ".tiktoken": Target("t.tiktoken", _tiktoken_files, _read_tiktoken),
        "SentencePiece": Target("t.model", _sentencepiece_files, read_tokenizer),
    }
)
