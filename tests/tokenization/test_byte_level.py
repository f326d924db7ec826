from tokenizers import pre_tokenizers

from gptcli.tokenization.byte_level import byte_letters, byte_values

EVERY_BYTE_OF_UTF8 = "".join(map(chr, [*range(0x800), *range(0x800, 0x110000, 0xA00)]))


def test_bytes_are_spelt_as_the_library_spells_them():
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    text = EVERY_BYTE_OF_UTF8.encode("utf-8", "ignore")  # without surrogates
    ((spelt, _),) = whole.pre_tokenize_str(text.decode())
    assert "".join(byte_letters()[value] for value in text) == spelt
    assert bytes(byte_values()[letter] for letter in spelt) == text
    assert set(byte_letters()) == set(pre_tokenizers.ByteLevel.alphabet())
