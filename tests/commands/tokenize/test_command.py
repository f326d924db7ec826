import pytest

from gptcli.commands.tokenize.command import TokenizeRequest
from gptcli.errors import UsageError

OTHER_MODES = {
    "--decode": ["--decode", "1"],
    "--compare": ["--compare", "char,byte"],
    "--vocab": ["--vocab"],
    "--merges": ["--merges", "word"],
    "--train": ["--train", "char", "--out", "tok"],
}
PAIRS = [(one, other) for one in OTHER_MODES for other in OTHER_MODES if one < other]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_things_to_do_exclude_each_other_by_name(cli, one, other):
    done = cli("tokenize", *OTHER_MODES[one], *OTHER_MODES[other])
    assert done.code == 2
    assert one in done.stderr
    assert other in done.stderr


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["text", "--file", "none.txt"], ["TEXT", "--file"]),
        (["text" * 2000, "--file", "none.txt"], ["TEXT", "--file"]),
        (["text", "--decode", "1"], ["TEXT", "--decode"]),
        (["--file", "a.txt", "--decode", "1"], ["--file", "--decode"]),
        (["text", "--ids", "--json"], ["--ids", "--json"]),
        (["text", "--ids", "--format", "html"], ["--ids", "--format html"]),
        (["text", "--json", "--format", "table"], ["--json", "--format table"]),
        (["text", "--errors", "lax"], ["--errors lax", "strict, replace, ignore"]),
        (["--decode", "1", "--errors", "ignore"], ["--decode", "--errors"]),
        (["--merges", "", "--tokenizer", "byte"], ["--merges"]),
        (["text", "--format", "xml"], ["--format xml", "table, json, ids, html"]),
        (["text", "--compare", "char", "--tokenizer", "byte"], ["--compare", "--tokenizer"]),
        (["text", "--compare", "char", "--ids"], ["--compare", "ids"]),
        (["text", "--compare", "char,char"], ["--compare", "once"]),
        (["text", "--compare", ","], ["--compare"]),
        (["text", "--compare", "char", "--limit", "3"], ["--compare", "--limit"]),
        (["text", "--vocab-size", "300"], ["--vocab-size", "--train"]),
        (["text", "--special-token", "<|a|>"], ["--special-token", "--train"]),
        (["text", "--limit", "3"], ["--limit", "--vocab"]),
        (["--vocab", "--limit", "0", "--tokenizer", "byte"], ["--limit must be at least"]),
        (["--vocab", "--vocab-size", "300"], ["--vocab", "--vocab-size"]),
        (["--vocab", "--format", "html"], ["--vocab", "html"]),
        (["--vocab", "two", "words", "--tokenizer", "byte"], ["--vocab"]),
        (["text", "--merges", "word"], ["TEXT", "--merges"]),
        (["--merges", "word", "--ids"], ["--merges", "ids"]),
        (["text", "--pattern", "gpt2"], ["--pattern", "--tokenizer"]),
        (["text", "--pattern", "gpt2", "--tokenizer", "char"], ["--pattern", "char"]),
        (["text", "--train", "bpe"], ["--train", "--out tok/bpe-4096"]),
        (["text", "--train", "char"], ["--train", "--out tok/char"]),
        (["a", "--train", "bpe", "--tokenizer", "byte", "--out", "t"], ["--train", "--tokenizer"]),
        (["text", "--train", "bpe:300", "--vocab-size", "300", "--out", "t"], ["--vocab-size"]),
        (["a", "--train", "char", "--vocab-size", "9", "--out", "t"], ["--vocab-size", "char"]),
        (["text", "--train", "bpee", "--out", "t"], ["bpee", "did you mean bpe?"]),
        (["text", "--train", "bpe", "--special-token", "user", "--out", "t"], ["'user'"]),
        (["text", "--tokenizer", "bpee:512"], ["bpee:512", "did you mean bpe:512?"]),
        (["text", "--tokenizer", "bpe:many"], ["bpe:many"]),
        (["text", "--tokenizer", "bpe:20"], ["20", "256"]),
        (["--vocab"], ["--tokenizer"]),
        (["--vocab", "--tokenizer", "bpe:300"], ["bpe:300", "--file"]),
        (["--merges", "word", "--tokenizer", "char"], ["char", "--file"]),
        (["--merges", "word", "--tokenizer", "byte", "--out", "."], ["--out"]),
    ],
)  # fmt: skip
def test_a_contradiction_is_one_line_that_names_the_flags(cli, argv, named):
    done = cli("tokenize", *argv)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert (done.code, len(errors), done.stdout) == (2, 1, "")
    assert all(name in errors[0] for name in named), errors[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, False, False), "table"),
        ((None, True, False), "ids"),
        ((None, False, True), "json"),
        (("json", False, True), "json"),
        (("html", False, False), "html"),
    ],
)
def test_short_flags_are_formats(given, expected):
    form, ids, json_output = given
    request = TokenizeRequest(words=["text"], form=form, ids=ids, json_output=json_output)
    assert request.chosen_form == expected


def test_two_formats_are_refused():
    with pytest.raises(UsageError, match="cannot be combined"):
        TokenizeRequest(words=["text"], form="table", ids=True)
