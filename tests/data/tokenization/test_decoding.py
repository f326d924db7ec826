import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from gptcli.data.tokenization.characters import character_tokenizer
from gptcli.data.tokenization.decoding import decode_blocks
from gptcli.data.tokenization.tokenizer import Tokenizer


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
    assert "".join(text for text, _ in decoded) == tokenizer.decode(ids)
    assert [number for _, some in decoded for number in some] == ids


@given(st.text(), st.integers(1, 3))
def test_characters_that_several_tokens_share_come_whole(text, size):
    tokenizer = TOKENIZERS[0]
    ids = tokenizer.encode(text).tolist()
    blocks = [ids[start : start + size] for start in range(0, len(ids), size)]
    assert "".join(piece for piece, _ in decode_blocks(tokenizer, blocks)) == text


def test_a_character_comes_with_the_last_of_its_tokens():
    tokenizer = TOKENIZERS[0]
    pieces = decode_blocks(
        tokenizer, ([number] for number in tokenizer.encode("日本é😀a").tolist())
    )
    assert [text for text, _ in pieces] == ["日", "本", "é", "😀", "a"]


def test_endless_parts_of_characters_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("gptcli.data.tokenization.decoding._MOST_HELD", 1000)
    tokenizer = TOKENIZERS[0]
    part = next(n for n in range(256) if tokenizer.piece(n) == "\ufffd")
    decoded = list(decode_blocks(tokenizer, ([part] * 400 for _ in range(9))))
    assert [len(ids) for _, ids in decoded] == [1200, 1200, 1200]
    assert all(text == "\ufffd" * 1200 for text, _ in decoded)
