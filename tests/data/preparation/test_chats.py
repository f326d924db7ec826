"""Datasets of chats and of pairs: ids, marks, sides of the split, and what is refused."""

import json
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tokenizers

from gptcli.config.data import PrepareConfig
from gptcli.data.chat.chat_template import BUILT_IN_TEMPLATE, BUILT_IN_TOKENS
from gptcli.data.chat.encoding import check_holds_chats
from gptcli.data.dataset import Dataset
from gptcli.data.preparation.chats import TemplateFile
from gptcli.data.preparation.prepare import Preparation
from gptcli.data.preparation.sharing import WorkShare, encode_share, merge, plan_preparation
from gptcli.data.preparation.verify import verify_dataset
from gptcli.data.questions import pairs_of, questions_of
from gptcli.errors import CheckpointError, DataError, UsageError
from gptcli.tokenization.kinds import KINDS, SIZED_KINDS, TokenizerSpec
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer, train_tokenizer


def turns(*contents):
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": one} for n, one in enumerate(contents)]


def said(content):
    return [{"role": "assistant", "content": content}]


CHATS = [{"messages": turns(f"question {n}", f"answer {n * n}", "why?", "so")} for n in range(150)]
PAIRS = [
    {
        "prompt": turns(f"q{n}"),
        "chosen": turns("", f"good {n}")[1:],
        "rejected": turns("", "bad")[1:],
    }
    for n in range(150)
]
TEXT_PAIRS = [{"prompt": f"q{n}=", "chosen": str(n), "rejected": str(n + 1)} for n in range(150)]


def spelled(dataset, split="train"):
    """The documents of a split, each as its text with [names] of special tokens, by mark."""
    part, tokenizer = dataset.split(split), dataset.tokenizer
    names = {number: f"[{name}]" for name, number in tokenizer.special_tokens.items()}
    bounds = [*part.document_starts.tolist(), part.n_tokens]
    for start, end in pairwise(bounds):
        ids, marks = part.read(start, end - start), part.read_marks(start, end - start)
        yield [
            "".join(names.get(n) or tokenizer.decode([n]) for n in ids[marks == mark].tolist())
            for mark in (0, 1, 2)
        ]


def test_of_a_chat_the_answers_count_with_their_ends(build, records):
    dataset = build("x", [records("a.jsonl", CHATS)], val_fraction=0)
    assert [*spelled(dataset)] == [
        [
            f"[<|user|>]question {n}[<|end|>][<|assistant|>][<|user|>]why?[<|end|>][<|assistant|>]",
            f"answer {n * n}[<|end|>]so[<|end|>]",
            "",
        ]
        for n in range(150)
    ]
    assert dataset.tokenizer.chat_template == BUILT_IN_TEMPLATE
    assert dataset.record.end_of_turn == "<|end|>"
    assert dataset.source["characters"] == sum(
        len(turn["content"]) for chat in CHATS for turn in chat["messages"]
    )
    alphabet = {c for chat in CHATS for turn in chat["messages"] for c in turn["content"]}
    assert dataset.vocab_size == len(alphabet) + len(BUILT_IN_TOKENS) + 1  # and end-of-text


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"shard_tokens": 100}])
def test_a_pair_is_a_prompt_and_two_answers_with_their_ends(build, records, options):
    dataset = build("x", [records("a.jsonl", PAIRS)], val_fraction=0, **options)
    assert sorted(spelled(dataset)) == sorted(
        [f"[<|user|>]q{n}[<|end|>][<|assistant|>]", f"good {n}[<|end|>]", "bad[<|end|>]"]
        for n in range(150)
    )
    assert dataset.record.pairs
    assert dataset.train.n_targets == sum(len(f"good {n}") + 1 for n in range(150))
    assert len(pairs_of(dataset.train)) == 150


def test_answers_of_a_pair_of_texts_end_with_end_of_text(build, records):
    dataset = build("x", [records("a.jsonl", TEXT_PAIRS)], val_fraction=0)
    assert [*spelled(dataset)] == [
        [f"q{n}=", f"{n}[<|endoftext|>]", f"{n + 1}[<|endoftext|>]"] for n in range(150)
    ]
    assert dataset.record.end_of_turn == "<|endoftext|>"
    assert dataset.record.chat_template is None


def test_no_question_of_a_chat_or_a_pair_is_on_both_sides(build, records):
    asked = [one["messages"][:3] for one in CHATS]
    chats = [{"messages": [*one, *said(f"{n}")]} for one in asked for n in range(2)]
    pairs = [{"prompt": one, "chosen": said("a"), "rejected": said("b")} for one in asked]
    for_chats, for_pairs = (
        build(name, [records(f"{name}.jsonl", values)])
        for name, values in (("chats", chats), ("pairs", pairs))
    )
    sides = [
        {
            split: {
                prompts(dataset, split, i) for i in range(len(questions_of(dataset.split(split))))
            }
            for split in ("train", "val")
        }
        for dataset in (for_chats, for_pairs)
    ]
    for side in sides:
        assert side["train"] and side["val"]
        assert not side["train"] & side["val"]
    assert sides[0] == sides[1]


def prompts(dataset, split, number):
    found = questions_of(dataset.split(split))
    start, end = int(found.starts[number]), int(found.answers[number])
    return dataset.tokenizer.decode(dataset.split(split).read(start, end - start))


PUBLISHED = {
    "openai": [{"messages": turns(f"q{n}", f"a{n}")} for n in range(9)],
    "sharegpt": [
        {
            "id": n,
            "conversations": [
                {"from": "human", "value": f"q{n}"},
                {"from": "gpt", "value": f"a{n}"},
            ],
        }
        for n in range(9)
    ],
    "alpaca": [{"instruction": f"q{n}", "input": "", "output": f"a{n}"} for n in range(9)],
    "trl": [
        {"prompt": turns(f"q{n}"), "chosen": said(f"a{n}"), "rejected": said("b")} for n in range(9)
    ],
    "ultrafeedback": [
        {
            "prompt": f"q{n}",
            "prompt_id": str(n),
            "chosen": turns(f"q{n}", f"a{n}"),
            "rejected": turns(f"q{n}", "b"),
            "messages": turns(f"q{n}", f"a{n}"),
            "score_chosen": 7.0,
            "score_rejected": 5.5,
        }
        for n in range(9)
    ],
}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("form", ["jsonl", "json", "parquet"])
def test_published_data_need_no_converter(build, tmp_path, name, form):
    values, path = PUBLISHED[name], tmp_path / f"{name}.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(values), path)
    else:
        lines = "".join(json.dumps(one) + "\n" for one in values)
        path.write_text(lines if form == "jsonl" else json.dumps(values, indent=1))
    dataset = build("x", [str(path)], val_fraction=0)
    is_pair = name in ("trl", "ultrafeedback")
    assert [*spelled(dataset)] == [
        [f"[<|user|>]q{n}[<|end|>][<|assistant|>]", f"a{n}[<|end|>]", "b[<|end|>]" * is_pair]
        for n in range(9)
    ]


@pytest.mark.parametrize("values", [CHATS, PAIRS, TEXT_PAIRS], ids=["chats", "pairs", "texts"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_shards_of_a_plan_make_the_same_files(build, records, files_of, tmp_path, values, shuffle):
    source = records("a.jsonl", values)
    whole = build("whole", [source], shuffle=shuffle)
    out = tmp_path / "shared"
    plan_preparation(Preparation([source], config=PrepareConfig(shuffle=shuffle)), out)
    for index in (1, 0):
        encode_share(out, WorkShare(index, 2))
    assert files_of(merge(out).directory) == files_of(whole.directory)
    assert json.loads((out / "dataset.json").read_bytes()).get("pairs", False) == (
        values is not CHATS
    )
    verify_dataset(out)


@pytest.mark.parametrize("is_chat", [True, False])
def test_a_plan_of_a_version_that_wrote_chats_as_text_is_made_again(records, tmp_path, is_chat):
    completions = [{"prompt": f"{n}=", "completion": str(n)} for n in range(9)]
    source, out = records("a.jsonl", CHATS if is_chat else completions), tmp_path / "shared"
    plan_preparation(Preparation([source], config=PrepareConfig(val_fraction=0)), out)
    file = tmp_path / "shared.plan" / "plan.json"
    plan = json.loads(file.read_bytes())
    del plan["kind"]
    file.write_text(json.dumps(plan))
    if is_chat:
        with pytest.raises(DataError, match=r"earlier version.*plan again with --overwrite"):
            encode_share(out, WorkShare(0, 1))
    else:
        assert encode_share(out, WorkShare(0, 1)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tokenizer_that_is_made_here_holds_chats(build, records, kind):
    spec = TokenizerSpec(kind, 600 if kind in SIZED_KINDS else None)
    dataset = build("x", [records("a.jsonl", CHATS)], val_fraction=0, tokenizer=spec)
    check_holds_chats(dataset.tokenizer, "<|end|>")
    first = next(iter(spelled(dataset)))[0]
    assert first.startswith("[<|user|>]question")


def test_a_tokenizer_that_holds_no_chats_is_refused(build, records):
    made = tokenizers.Tokenizer(
        tokenizers.models.Unigram([("<unk>", 0.0), ("▁a", -1.0), ("a", -1.5)], 0)
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer = Tokenizer.from_json(made.to_str())
    with pytest.raises(UsageError, match="cannot hold chats"):
        build("x", [records("a.jsonl", CHATS)], tokenizer=tokenizer, allow_unknown=True)


def test_a_pair_of_texts_needs_an_end_of_text(build, records):
    source, plain = records("a.jsonl", TEXT_PAIRS), train_tokenizer(TokenizerSpec("byte"), ["a"])
    with pytest.raises(UsageError, match=r"no end-of-text.*--special-token '<\|endoftext\|>'"):
        build("x", [source], tokenizer=plain)
    build("x", [source], tokenizer=plain.extended(["<|endoftext|>"]))


def test_a_makers_template_may_write_its_names_as_text(build, records):
    zephyr = (
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>{{ '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{{ '\n' }}{% endif %}"
    )
    made = train_tokenizer(TokenizerSpec("byte"), ["a"]).extended(["</s>"])
    source = records("a.jsonl", CHATS[:1])
    dataset = build("x", [source], val_fraction=0, tokenizer=made.with_chat_template(zephyr))
    assert dataset.record.end_of_turn == "</s>"
    assert dataset.vocab_size == made.vocab_size
    ((read, learnt, _),) = spelled(dataset)
    assert read.startswith("<|user|>\nquestion 0[</s>]\n<|assistant|>\n")
    assert learnt == "answer 0[</s>]so[</s>]"


@pytest.mark.parametrize("kind", ["char", "byte", "bpe", "word"])
def test_an_existing_tokenizer_gets_the_tokens_that_it_lacks(build, records, kind):
    text = " ".join(turn["content"] for one in CHATS for turn in one["messages"])
    old = (
        character_tokenizer("".join(sorted(set(text))))
        if kind == "char"
        else train_tokenizer(TokenizerSpec(kind, 300 if kind in ("bpe", "word") else None), [text])
    )
    dataset = build("x", [records("a.jsonl", CHATS)], val_fraction=0, tokenizer=old)
    assert dataset.vocab_size == old.vocab_size + len(BUILT_IN_TOKENS)
    assert old.chat_template is None
    again = build(
        "y", [records("b.jsonl", CHATS)], tokenizer=Dataset.open(dataset.directory).tokenizer
    )
    assert again.tokenizer.identity == dataset.tokenizer.identity


def test_special_tokens_train_no_tokenizer(build, records):
    chats = [{"messages": turns("ab", "ab")}] * 30
    spec = TokenizerSpec("bpe", 300)
    dataset = build("x", [records("a.jsonl", chats)], val_fraction=0, tokenizer=spec)
    pieces = {dataset.tokenizer.piece(n) for n in range(dataset.vocab_size)}
    assert "ab" in pieces
    assert not any(
        "assist" in piece or "<|" in piece for piece in pieces - {*BUILT_IN_TOKENS, "<|endoftext|>"}
    )


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([CHATS[0], {"text": "a"}], r"line 2: it is a text, and the first record is a chat"),
        ([{"text": "a"}, CHATS[0]], r"line 2: it is a chat, and the first record is a text"),
        ([CHATS[0], PAIRS[0]], r"line 2: it is a pair of messages, and the first .* a chat"),
        ([PAIRS[0], TEXT_PAIRS[0]], r"line 2: it is a pair of texts, and .* pair of messages"),
        ([CHATS[0], {"messages": turns("a\ufdd0", "b")}], r"line 2: message 1 .* U\+FDD0"),
        ([CHATS[0], {"messages": turns("a\ud800", "b")}], r"line 2: it has half of a surrogate"),
        ([CHATS[0], {"messages": turns("a")}], r"line 2: it has no turn of the assistant"),
    ],
)
def test_a_bad_record_is_named_and_may_be_left_out(build, records, lines, reason):
    source = records("a.jsonl", lines)
    with pytest.raises(DataError, match=rf"a\.jsonl, {reason}.*--skip-bad 10"):
        build("x", [source], val_fraction=0)
    assert build("y", [source], val_fraction=0, skip_bad=1).source["left_out"] == 1


def test_a_text_file_among_chats_is_refused(build, records, write):
    with pytest.raises(DataError, match=r"b\.txt is a text.*prepare the two apart"):
        build("x", [records("a.jsonl", CHATS), write("b.txt", "text")])


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ("{% for %}", CheckpointError, r"mine\.jinja: .* does not parse, line 1"),
        ("{{ messages.append(1) }}", CheckpointError, r"mine\.jinja: .*what none may do"),
        ("{{ messages[0].content }}", CheckpointError, "could not learn to stop"),
        ("{{ '<|im_start|>' }}", UsageError, r"<\|im_start\|>.* --special-token '<\|im_start\|>'"),
        (
            "{% for m in messages %}{{ m.content if loop.last else 'x' }}<|end|>{% endfor %}",
            CheckpointError,
            r"a\.jsonl, line 1: .* message 2.*generation",
        ),
        (
            "{% if messages[0].content == 'question 0' %}{{ raise_exception('no\x1b') }}{% endif %}"
            "{% for m in messages %}{{ m.content }}<|end|>{% endfor %}",
            DataError,
            r"a\.jsonl, line 1: the chat template refuses it: no",
        ),
    ],
)
def test_a_template_that_is_of_no_use_is_refused(build, records, tmp_path, text, error, reason):
    spec = TokenizerSpec("byte", special_tokens=("<|end|>",))
    given = TemplateFile("mine.jinja", text)
    with pytest.raises(error, match=reason):
        build("x", [records("a.jsonl", CHATS)], tokenizer=spec, chat_template=given)
    assert not (tmp_path / "x").exists()


def test_a_template_without_a_chat_has_no_effect(build, records):
    given = TemplateFile("mine.jinja", BUILT_IN_TEMPLATE)
    with pytest.raises(UsageError, match=r"--chat-template mine\.jinja has no effect"):
        build("x", [records("a.jsonl", [{"text": "a"}])], chat_template=given)


def test_a_changed_template_is_another_dataset(build, records):
    dataset = build("x", [records("a.jsonl", CHATS)])
    (dataset.directory / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(CheckpointError, match=r"chat_template\.jinja is not the chat template"):
        Dataset.open(dataset.directory)


def test_marks_beyond_the_kind_of_data_are_damage(build, records):
    dataset = build("x", [records("a.jsonl", CHATS)], val_fraction=0)
    file = dataset.directory / "train" / "part-00000.mask"
    marks = np.fromfile(file, np.uint8)
    marks[5] = 2
    marks.tofile(file)
    with pytest.raises(DataError, match="mask byte 2"):
        Dataset.open(dataset.directory).train.read_marks(0, 9)
