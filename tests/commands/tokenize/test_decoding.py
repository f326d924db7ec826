import io
import json
import random
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from gptcli.commands.tokenize.decoding import decode_blocks, listed_ids
from gptcli.errors import UsageError
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer


def byte_level() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(alphabet)}
    merges = [("t", "h"), ("Ã", "©"), ("ð", "Ł"), ("Ġ", "th")]
    vocabulary |= {"".join(pair): 256 + number for number, pair in enumerate(merges)}
    inner = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return Tokenizer(inner)


def metaspace() -> Tokenizer:
    names = ["<unk>", "▁", "a", "b", "▁a", "▁b", *(f"<0x{value:02X}>" for value in range(256))]
    inner = tokenizers.Tokenizer(
        models.Unigram([(name, -1.0) for name in names], 0, byte_fallback=True)
    )
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return Tokenizer(inner)


def wordpiece() -> Tokenizer:
    names = ["[UNK]", "a", "b", "##a", "##b", ".", "don", "'", "t"]
    vocabulary = {name: number for number, name in enumerate(names)}
    inner = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    return Tokenizer(inner)


TOKENIZERS = (byte_level(), metaspace(), wordpiece(), character_tokenizer("ab\n "))


@given(st.sampled_from(TOKENIZERS), st.lists(st.integers(0, 255), min_size=1), st.integers(1, 5))
def test_blocks_of_ids_decode_to_what_all_of_them_do(tokenizer, numbers, size):
    ids = [number % tokenizer.vocab_size for number in numbers]
    blocks = [ids[start : start + size] for start in range(0, len(ids), size)]
    decoded = list(decode_blocks(tokenizer, blocks))
    assert "".join(block.text for block in decoded) == tokenizer.decode(ids)
    assert [number for block in decoded for number in block.ids.tolist()] == ids


@given(st.text(), st.integers(1, 3))
def test_characters_that_several_tokens_share_come_whole(text, size):
    tokenizer = TOKENIZERS[0]
    ids = tokenizer.encode(text).tolist()
    blocks = [ids[start : start + size] for start in range(0, len(ids), size)]
    assert "".join(block.text for block in decode_blocks(tokenizer, blocks)) == text


@pytest.mark.parametrize("separator", [" ", ",", ", ", "\n", "\r\n\t "])
def test_ids_cut_by_a_block_are_read_whole(separator):
    ids = [random.Random(1).randrange(10**6) for _ in range(100_000)]
    listing = io.BytesIO(separator.join(map(str, ids)).encode())
    assert [number for block in listed_ids(listing) for number in block] == ids


def test_a_word_without_end_is_refused_before_it_fills_the_memory():
    listing = io.BytesIO(b"1" * 2**24)
    with pytest.raises(UsageError, match="is not a token id"):
        list(listed_ids(listing))
    assert listing.tell() < 2**20


def test_ids_and_decode_are_inverse_on_pipes(cli):
    text = "line\r\n\0 [/x] \x1b]52 e\u0301😀"
    Path("t.json").write_text(character_tokenizer(text).to_json())
    ids = cli("tokenize", "--ids", "--tokenizer", "t.json", stdin=text).stdout
    assert cli("tokenize", "--decode", "-", "--tokenizer", "t.json", stdin=ids).stdout == text


@pytest.mark.parametrize("listed", ["0 1 1", "0,1,1", " 0, 1,\n1 "])
def test_ids_are_separated_by_spaces_or_commas(cli, listed):
    Path("t.json").write_text(character_tokenizer("ab").to_json())
    assert cli("tokenize", "--decode", listed, "--tokenizer", "t.json").stdout == "abb"


@pytest.mark.parametrize("given", ["1 0", "-"])
def test_json_of_decoded_ids_has_all_of_it(cli, given):
    Path("t.json").write_text(character_tokenizer("ab").to_json())
    argv = ("--decode", given, "--tokenizer", "t.json", "--json")
    answer = json.loads(cli("tokenize", *argv, stdin="1 0").stdout)
    assert (answer["text"], answer["ids"], answer["pieces"]) == ("ba", [1, 0], ["b", "a"])
    assert (answer["tokens"], answer["bytes"]) == (2, 2)


def test_bytes_need_no_tokenizer_file(cli):
    ids = cli("tokenize", "é", "--tokenizer", "byte", "--ids").stdout
    assert ids == "195 169\n"
    assert cli("tokenize", "--tokenizer", "byte", "--decode", ids).stdout == "é"


def test_decoded_text_goes_to_a_file_as_it_is(cli):
    Path("t.json").write_text(character_tokenizer("a\r\n").to_json())
    argv = ("--decode", "2 1 0", "--tokenizer", "t.json", "--out", "x.txt")
    assert cli("tokenize", *argv).code == 0
    assert Path("x.txt").read_bytes() == b"a\r\n"
    assert cli("tokenize", *argv).code == 2


def test_decoded_escapes_do_not_reach_a_terminal(cli, monkeypatch):
    Path("t.json").write_text(character_tokenizer("\x1b[2J").to_json())
    ids = cli("tokenize", "\x1b[2J", "--ids", "--tokenizer", "t.json").stdout
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert cli("tokenize", "--decode", ids, "--tokenizer", "t.json").stdout == "\\x1b[2J\n"


@pytest.mark.parametrize("listed", ["one", "-1", "99", "9" * 30, "", "1 x", "1.0", "\u0661"])
def test_what_is_no_id_is_a_usage_error(cli, listed):
    Path("t.json").write_text(character_tokenizer("ab").to_json())
    done = cli("tokenize", "--decode", listed, "--tokenizer", "t.json")
    assert done.code == 2
    assert done.stderr.startswith("error: ")


def test_decoding_needs_a_tokenizer(cli):
    done = cli("tokenize", "--decode", "1")
    assert (done.code, done.stdout) == (2, "")
    assert "--tokenizer" in done.stderr
    assert cli("tokenize", "--decode", "1", "--tokenizer", "char").code == 2
