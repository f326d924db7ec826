"""Collections: end-of-text between documents, whole documents on one side, shuffled on demand."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gptcli.config.data import ReadOptions, SplitBy
from gptcli.errors import DataError, UsageError
from gptcli.tokenization.kinds import TokenizerSpec

BPE = TokenizerSpec("bpe", 300)


def documents_of(dataset, ids):
    """The texts between the end-of-text tokens."""
    end = dataset.tokenizer.end_of_text
    cuts = np.flatnonzero(ids == end)
    pieces = np.split(ids, cuts + 1)
    assert pieces[-1].size == 0, "the last document has no end"
    return [dataset.tokenizer.decode(piece[:-1]) for piece in pieces[:-1]]


@pytest.fixture
def poems(records):
    return [f"poem {n}\nroses are red, {n * n} violets\n" for n in range(400)]


@pytest.fixture
def source(records, poems):
    return [records("poems.jsonl", [{"text": poem} for poem in poems])]


@pytest.mark.parametrize("spec", [TokenizerSpec("char"), TokenizerSpec("byte"), BPE])
def test_each_document_is_followed_by_an_end(build, source, poems, tokens, spec):
    dataset = build("x", source, tokenizer=spec)
    found = [documents_of(dataset, tokens(dataset, name)) for name in ("train", "val")]
    assert sorted(found[0] + found[1]) == sorted(poems)
    records = dataset.record.splits
    assert [records[name].documents for name in ("train", "val")] == list(map(len, found))
    assert 10 < len(found[1]) < 80


def test_split_by_document_depends_on_the_document_alone(build, records, poems, tokens):
    some = records("some.jsonl", [{"text": poem} for poem in poems[:200]])
    twice = records("twice.jsonl", [{"text": poem} for poem in (poems + poems)[::-1]])
    small, large = build("small", [some]), build("large", [twice])
    validates = set(documents_of(large, tokens(large, "val")))
    assert set(documents_of(small, tokens(small, "val"))) == validates & set(poems[:200])
    assert not validates & set(documents_of(large, tokens(large, "train")))


def test_few_documents_are_divided_by_text(build, write, tokens):
    sources = [write(f"{n}.txt", f"{n}" * 100) for n in range(5)]
    dataset = build("x", sources)
    assert dataset.source["split_by"] == "text"
    assert dataset.val.n_characters == 50
    end = dataset.tokenizer.end_of_text
    whole = [number for n in range(4) for number in (*[n] * 100, end)]
    assert tokens(dataset, "train").tolist() == whole + [4] * 50
    assert tokens(dataset, "val").tolist() == [4] * 50 + [end]


def test_records_divided_by_text_stay_whole(build, source, poems, tokens):
    dataset = build("x", source, split_by=SplitBy.TEXT)
    train, val = (documents_of(dataset, tokens(dataset, name)) for name in ("train", "val"))
    assert train + val == poems
    before, after = sum(map(len, train[:-1])), sum(map(len, train))
    assert before < 0.9 * sum(map(len, poems)) <= after


def test_split_that_gets_no_document_is_refused(build, records):
    source = records("one.jsonl", [{"text": "only one"}])
    with pytest.raises(DataError, match=r"--split-by document|--split-by text"):
        build("x", [source], split_by=SplitBy.TEXT)
    with pytest.raises(DataError, match="--val-fraction 0"):
        build("x", [source], split_by=SplitBy.DOCUMENT)


def test_shuffle_moves_whole_documents_and_the_seed_decides(build, source, tokens):
    plain = build("plain", source, tokenizer=BPE)
    given = {"tokenizer": plain.tokenizer, "shuffle": True}
    first, again = build("first", source, seed=1, **given), build("again", source, seed=1, **given)
    other = build("other", source, seed=2, workers=3, **given)
    before, one, two, three = (
        documents_of(dataset, tokens(dataset, "train")) for dataset in (plain, first, again, other)
    )
    assert one == two
    assert before != one != three
    assert sorted(before) == sorted(one) == sorted(three)
    moved = sum(a != b for a, b in zip(before, one, strict=True))
    assert moved > 0.9 * len(before)
    assert first.record.splits["train"].characters == plain.record.splits["train"].characters


def test_one_text_cannot_be_shuffled(build, write):
    with pytest.raises(UsageError, match="--shuffle"):
        build("x", [write("a.txt", "some text " * 9)], shuffle=True)


def test_empty_documents_leave_no_trace(build, records):
    values = [{"text": "full"}, {"text": ""}, {"text": "of words"}]
    dataset = build("x", [records("a.jsonl", values)], val_fraction=0)
    assert dataset.record.splits["train"].documents == 2
    assert dataset.train.n_tokens == len("full") + len("of words") + 2


def test_bad_records_are_refused_by_line_and_left_out_on_demand(build, write, tmp_path):
    lines = ['{"text": "good one"}', "{bad", '{"other": 1}', '{"text": 5}', '{"text": "two"}']
    source = write("a.jsonl", "\n".join(lines))
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: .*--skip-bad"):
        build("x", [source], val_fraction=0)
    with pytest.raises(DataError, match=r"a\.jsonl, line 4"):
        build("x", [source], val_fraction=0, skip_bad=2)
    dataset = build("x", [source], val_fraction=0, skip_bad=3)
    assert dataset.source["left_out"] == 3
    assert dataset.record.splits["train"].documents == 2


def test_literal_of_a_special_token_stays_text(build, records, tokens):
    literal = "before <|endoftext|> after"
    dataset = build("x", [records("a.jsonl", [{"text": literal}])], val_fraction=0, tokenizer=BPE)
    ids = tokens(dataset, "train")
    assert (ids == dataset.tokenizer.end_of_text).sum() == 1
    assert dataset.tokenizer.decode(ids[:-1]) == literal


CHAT = [{"role": "user", "content": "hi?"}, {"role": "assistant", "content": "hé"}]
SHAPES = [
    [{"text": f"poem {n}", "url": "x"} for n in range(120)],
    [{"prompt": f"{n}+1=", "completion": str(n + 1), "id": n} for n in range(120)],
    [{"id": n, "messages": [{"role": "user", "content": str(n)}, *CHAT]} for n in range(120)],
]


@pytest.mark.parametrize("values", SHAPES, ids=["text", "prompt", "messages"])
def test_records_give_the_same_files_under_any_name(build, write, files_of, tmp_path, values):
    lines = "".join(json.dumps(one) + "\n" for one in values)
    expected = files_of(build("x", [write("a.jsonl", lines)]).directory)
    forms = {
        "lines.json": lines,
        "lines.json.gz": gzip.compress(lines.encode()),
        "array.json": json.dumps(values),
        "array.JSON": json.dumps(values, indent=2, ensure_ascii=False),
        "array.json.gz": gzip.compress(json.dumps(values, indent=1).encode()),
        "row.json": "\n".join(json.dumps(one, indent=2) for one in values),
    }
    sources = [write(name, content) for name, content in forms.items()]
    pq.write_table(pa.Table.from_pylist(values), tmp_path / "a.parquet", row_group_size=50)
    for number, source in enumerate([*sources, str(tmp_path / "a.parquet")]):
        dataset = build(f"set-{number}", [source])
        assert files_of(dataset.directory) == expected, source
        assert dataset.source["documents"] == 120


def test_a_text_is_divided_where_a_separator_stands(build, write, poems, records, files_of):
    text = "".join(f"{poem}\n<|end|>\n" for poem in poems)
    divided = build("x", [write("a.txt", text)], read=ReadOptions(split_on="<|end|>"))
    lines = build("y", [records("b.jsonl", [{"text": poem.strip("\n")} for poem in poems])])
    assert files_of(divided.directory) == files_of(lines.directory)


def test_a_bad_record_of_an_array_is_named_by_its_number(build, write):
    source = write("a.json", json.dumps([{"text": "one"}, {"text": 2}, ["three"]], indent=2))
    with pytest.raises(DataError, match=r"a\.json, record 2: field 'text' is a number"):
        build("x", [source])
    with pytest.raises(DataError, match=r"a\.json, record 3: the record is a list"):
        build("x", [source], skip_bad=1)
    latin = write("b.json", b'[{"text": "one"},\n{"text": "caf\xe9"}]')
    with pytest.raises(DataError, match=r"b\.json is not UTF-8, byte 0xe9 in record 2: "):
        build("x", [latin])
    read = ReadOptions(errors="ignore")
    assert build("x", [latin], read=read, val_fraction=0).source["replaced"] == 1


def test_two_fields_that_belong_together_are_refused_with_advice(build, write):
    source = write("a.json", json.dumps([{"question": "Add.", "answer": "4"}]))
    advice = "--field, or rename those of a question and its answer to prompt and completion"
    with pytest.raises(DataError, match=f"record 1: no field 'text' but 'question'.*{advice}"):
        build("x", [source])


def test_skipping_bad_records_of_a_text_is_a_usage_error(build, write):
    with pytest.raises(UsageError, match="--skip-bad works with records"):
        build("x", [write("a.txt", "some text")], skip_bad=3)


def test_skipping_is_advised_only_where_it_leaves_a_record(build, write):
    unknown = '{"prompt": "a", "response": "b"}\n'
    with pytest.raises(DataError, match=r"rename response to completion.*: correct it$"):
        build("x", [write("pairs.jsonl", unknown)])
    with pytest.raises(DataError, match=r"leave out bad records with --skip-bad 10$"):
        build("x", [write("mixed.jsonl", unknown + '{"text": "a"}\n')])
