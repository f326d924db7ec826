"""Whatever tokenize gives as a table comes as Markdown and CSV too."""

import csv
import io
import json
from pathlib import Path


def records(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_comparison_is_a_table_with_exact_numbers(cli, bpe):
    argv = ("tokenize", "--file", "a.txt", "--compare", f"byte,{bpe}")
    found = records(cli(*argv, "--format", "csv").stdout)
    sides = json.loads(cli(*argv, "--json").stdout)["tokenizers"]
    assert [row["tokenizer"] for row in found] == ["byte", bpe]
    assert [int(row["tokens"]) for row in found] == [side["tokens"] for side in sides]
    ratios = [float(row["bytes_per_token"]) for row in found]
    assert ratios == [side["bytes_per_token"] for side in sides]
    assert cli(*argv, "--format", "md").stdout.startswith("**a.txt: 1,540 characters")


def test_a_vocabulary_is_a_table_of_ids(cli, bpe):
    argv = ("tokenize", "--vocab", "--tokenizer", bpe, "--format")
    found = records(cli(*argv, "csv", "--out", "v.csv").stdout or Path("v.csv").read_text())
    assert [int(row["id"]) for row in found] == list(range(280))
    assert found[-1] == {"id": "279", "length": "13", "token": "<|endoftext|>", "bytes": "special"}
    assert cli(*argv, "md").stdout.splitlines()[0] == "| id | length | token | bytes |"


def test_merges_are_a_table_of_steps(cli, bpe):
    argv = ("tokenize", "--merges", "the cats", "--tokenizer", bpe)
    found = records(cli(*argv, "--format", "csv").stdout)
    steps = json.loads(cli(*argv, "--json").stdout)["steps"]
    assert [row["pieces"].split(" ") for row in found] == [step["pieces"] for step in steps]
    ranks = [int(row["rank"]) if row["rank"] else None for row in found]
    assert ranks == [step["rank"] for step in steps]


def test_what_was_learnt_is_a_table_of_facts(cli, bpe, bpe_text):
    argv = ("--train", "char", "--file", "a.txt", "--out", "char", "--format", "csv")
    found = {row["name"]: row["value"] for row in records(cli("tokenize", *argv).stdout)}
    assert found["vocabulary"] == str(len(set(bpe_text)))
    assert found["ratio"] == "1.0"


def test_what_is_no_table_says_where_the_format_belongs(cli, bpe):
    done = cli("tokenize", "text", "--format", "csv")
    assert (done.code, done.stdout) == (2, "")
    assert "--format csv works only with --compare, --vocab, --merges or --train" in done.stderr
