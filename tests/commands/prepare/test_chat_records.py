"""``prepare`` on chats and pairs, as it is typed."""

import json
from pathlib import Path

import pytest

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("--special-token", "<|im_start|>", "--special-token", "<|im_end|>")


@pytest.fixture
def chats(cli):
    turns = [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]
    records = [{"messages": turns}, {"messages": [{"role": "system", "content": "Add."}, *turns]}]
    Path("chats.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    Path("chatml.jinja").write_text(CHATML)


def test_summary_has_the_share_that_is_learnt_the_template_and_the_end(cli, chats):
    done = cli("prepare", "chats.jsonl", "--val-fraction", 0)
    assert done.code == 0, done.stderr
    assert done.stdout.splitlines()[6:] == [
        "  train        22 tokens, 4 count in the loss (18%)",
        "  val          0 tokens, 0 count in the loss (0%)",
        "  ratio        0.55 bytes per token",
        "  longest      14 tokens in one document",
        "  template     built-in",
        "  answers end  with <|end|>",
    ]


def test_verbose_shows_what_counts_in_the_first_document(cli, chats):
    done = cli("prepare", "chats.jsonl", "--val-fraction", 0, "-v")
    assert done.stdout.endswith("<|user|>1+1<|end|><|assistant|>[+2<|end|>+]\n")


def test_pairs_are_counted_and_shown_with_both_answers(cli):
    done = cli("prepare", "preferences", "--count", 200, "-v")
    assert "pairs, " in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.count("[+") == last.count("[-") == 1
    document = json.loads(cli("prepare", "preferences", "--count", 200, "--json").stdout)
    assert document["pairs"] is True
    assert document["end_of_turn"] == "<|end|>"
    assert document["longest_document"] > 10


def test_a_given_template_writes_the_chats(cli, chats):
    given = ("--chat-template", "chatml.jinja", *SPECIAL)
    done = cli("prepare", "chats.jsonl", *given, "-v", "--val-fraction", 0)
    assert done.code == 0, done.stderr
    assert "  template     data/chats/chat_template.jinja\n" in done.stdout
    assert "<|im_start|>assistant\n[+2<|im_end|>+]\n" in done.stdout
    assert Path("data/chats/chat_template.jinja").read_text() == CHATML


def test_the_advised_special_tokens_make_the_template_work(cli, chats):
    plain = cli("prepare", "chats.jsonl", "--val-fraction", 0, "--tokenizer", "byte")
    assert plain.code == 0, plain.stderr
    argv = ["prepare", "chats.jsonl", "--val-fraction", 0, "--chat-template", "chatml.jinja"]
    argv += ["--tokenizer", "data/chats"]
    refused = cli(*argv)
    assert refused.code == 2
    advice = "--special-token '<|im_start|>' --special-token '<|im_end|>'"
    assert advice in refused.stderr
    done = cli(*argv, *SPECIAL)
    assert done.code == 0, done.stderr


@pytest.mark.parametrize(
    ("template", "code", "reason"),
    [
        (None, 2, "--chat-template mine.jinja not found"),
        (b"\xff", 4, "mine.jinja is not a chat template"),
        (b"{% if %}", 4, "mine.jinja: the chat template does not parse, line 1"),
        (b"{{ cycler.__init__.__globals__.os }}<|end|>", 4, "does what none may do"),
        (b"{{ raise_exception('not\x1b[31m you') }}<|end|>", 4, r"not\x1b[31m you"),
        (b"{{ messages[0].content }}", 4, "could not learn to stop"),
    ],
)
def test_a_bad_template_writes_nothing(cli, chats, template, code, reason):
    if template is not None:
        Path("mine.jinja").write_bytes(template)
    done = cli(
        "prepare", "chats.jsonl", "--chat-template", "mine.jinja", "--special-token", "<|end|>"
    )
    assert done.code == code
    assert reason in done.stderr
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path("data").exists() or not [*Path("data").iterdir()]


def test_a_chat_template_for_plain_text_is_refused(cli, chats):
    Path("a.txt").write_text("some text " * 9)
    done = cli("prepare", "a.txt", "--chat-template", "chatml.jinja")
    assert (done.code, "has no effect" in done.stderr) == (2, True)


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_a_source_without_a_good_record_tells_of_the_first(cli, tokenizer):
    turns = [{"role": "user", "content": "\ufdd0"}, {"role": "assistant", "content": "a"}]
    Path("bad.jsonl").write_text(json.dumps({"messages": turns}) + '\n{"messages": []}\n')
    done = cli("prepare", "bad.jsonl", "--tokenizer", tokenizer)
    assert done.code == 3
    assert "bad.jsonl, line 1: message 1 has the character U+FDD0" in done.stderr
