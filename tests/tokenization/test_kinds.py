import pytest

from gptcli.errors import UsageError
from gptcli.tokenization.kinds import (
    DEFAULT_VOCAB_SIZE,
    KINDS,
    LARGEST_VOCAB_SIZE,
    SIZED_KINDS,
    TokenizerSpec,
    nearest_kind,
    parse_spec,
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_alone_is_a_spec(kind):
    assert parse_spec(kind) == TokenizerSpec(kind)


@pytest.mark.parametrize("kind", SIZED_KINDS)
def test_a_size_follows_a_colon(kind):
    assert parse_spec(f"{kind}:512") == TokenizerSpec(kind, 512)
    assert TokenizerSpec(kind, 512).size == 512
    assert TokenizerSpec(kind).size == DEFAULT_VOCAB_SIZE


@pytest.mark.parametrize("text", ["gpt2", "tok/tokenizer.json", "bpee:512", "", "C:\\bpe", "BPE"])
def test_what_names_no_kind_is_a_path_or_a_hub_id(text):
    assert parse_spec(text) is None


@pytest.mark.parametrize(
    "text", ["bpe:", "bpe:0", "bpe:-5", "bpe:5k", "bpe:5:5", "bpe:٣", "byte:9"]
)
def test_a_kind_with_a_size_that_is_none_is_a_usage_error(text):
    with pytest.raises(UsageError, match=r"bpe:|byte|--vocab-size 0"):
        parse_spec(text)


@pytest.mark.parametrize("kind", SIZED_KINDS)
def test_a_size_beyond_all_vocabularies_is_refused_before_the_library_aborts(kind):
    assert TokenizerSpec(kind, LARGEST_VOCAB_SIZE).size == LARGEST_VOCAB_SIZE
    for size in (LARGEST_VOCAB_SIZE + 1, 10**9, 10**20):
        with pytest.raises(UsageError, match=f"--vocab-size {size} is too large: the most is"):
            TokenizerSpec(kind, size)
    with pytest.raises(UsageError, match=f"after {kind}: comes a number"):
        parse_spec(f"{kind}:{'9' * 5000}")


@pytest.mark.parametrize(
    ("text", "kind"),
    [("bpee:512", "bpe"), ("chars", "char"), ("wordpieces", "wordpiece"), ("BPE", "bpe")],
)
def test_the_nearest_kind_is_found(text, kind):
    assert nearest_kind(text) == kind


@pytest.mark.parametrize("text", ["gpt2", "tok/tokenizer.json", ""])
def test_nothing_is_near_to_a_path(text):
    assert nearest_kind(text) is None


def test_an_unknown_kind_is_named_with_the_nearest():
    with pytest.raises(UsageError, match=r"'bpee' is not a kind.*did you mean bpe\?"):
        TokenizerSpec("bpee")
    with pytest.raises(UsageError, match=r"choose one of char, byte, word"):
        TokenizerSpec("x")


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_a_size_where_none_belongs_is_refused(kind):
    with pytest.raises(UsageError, match=f"--vocab-size does not apply to {kind}"):
        TokenizerSpec(kind, 512)


@pytest.mark.parametrize("kind", ["byte", "bpe", "wordpiece", "unigram"])
def test_unk_is_refused_by_kinds_without_unknowns(kind):
    with pytest.raises(UsageError, match=f"{kind} can encode any text"):
        TokenizerSpec(kind, unk=True)


@pytest.mark.parametrize("name", ["the", "<unk>", "<|>", "<0x0A>", "<a b>", "<a\x1b>", "", "eos>"])
def test_a_special_token_that_a_text_could_become_is_refused(name):
    with pytest.raises(UsageError, match=r"special token .*<\|endoftext\|>"):
        TokenizerSpec("bpe", special_tokens=(name,))


def test_a_special_token_named_twice_is_refused():
    with pytest.raises(UsageError, match="twice"):
        TokenizerSpec("bpe", special_tokens=("<eos>", "<eos>"))
