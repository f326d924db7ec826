"""``sample`` on a run that was trained on conversations: it answers, and the answer is shown."""

import json
from pathlib import Path

import pytest

from gptcli.data.chat.chat_template import BUILT_IN_TEMPLATE, BUILT_IN_TOKENS
from gptcli.tokenization.tokenizer import write_tokenizer
from gptcli.tokenization.trainer import character_tokenizer

NO_SYSTEM = BUILT_IN_TEMPLATE.replace(
    "<|system|>{{ m.content }}<|end|>", "{{ raise_exception('no system here') }}"
)
FLAGS = ("sample", "runs/chat", "-n", 12)


@pytest.fixture
def begin(cli, tmp_path: Path, tiny):
    """Prepares a conversation in ``data/chat`` and trains ``runs/chat`` on it."""

    def run(template: str = BUILT_IN_TEMPLATE) -> None:
        tokenizer = character_tokenizer("\n" + "".join(map(chr, range(32, 127))))
        tokenizer = tokenizer.extended(BUILT_IN_TOKENS)
        tokenizer.chat_template = template
        (tmp_path / "chatty").mkdir()
        write_tokenizer(tmp_path / "chatty", tokenizer)
        turns = [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b."}]
        (tmp_path / "chat.jsonl").write_text(f"{json.dumps({'messages': turns})}\n" * 40)
        prepared = cli("prepare", "chat.jsonl", "--tokenizer", "chatty", "--val-fraction", 0)
        assert prepared.code == 0, prepared.stderr
        trained = cli("train", *tiny, "--family", "gpt2", "--max-iters", 2, "--out", "runs/chat")
        assert trained.code == 0, trained.stderr

    return run


def test_a_prompt_is_a_question_and_its_answer_alone_is_shown(cli, begin) -> None:
    from transformers import AutoTokenizer

    begin()
    shown = cli(*FLAGS, "--prompt", "a?", "--system", "say b")
    assert shown.code == 0, shown.stderr
    assert "chat: the prompt is a turn of the user" in shown.stderr
    done = cli(*FLAGS, "--prompt", "a?", "--system", "say b", "--json")
    document = json.loads(done.stdout)
    messages = [{"role": "system", "content": "say b"}, {"role": "user", "content": "a?"}]
    assert document["messages"] == messages
    assert document["prompt"] == "a?"
    theirs = AutoTokenizer.from_pretrained("runs/chat")
    ids = theirs.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    assert document["prompt_ids"] == ids
    (sample,) = document["samples"]
    assert sample["text"] == sample["completion"] == shown.stdout.removesuffix("\n")


def test_the_line_break_that_ends_a_file_is_no_part_of_a_question(cli, begin) -> None:
    begin()
    Path("question.txt").write_text("a?\n")
    expected = cli(*FLAGS, "--prompt", "a?").stdout
    assert cli(*FLAGS, "--prompt-file", "question.txt").stdout == expected
    assert cli(*FLAGS, "--prompt", "-", stdin="a?\n").stdout == expected
    kept = cli(*FLAGS, "--prompt", "-", "--no-chat", stdin="a?\n").stdout
    assert kept.startswith("a?\n")


def test_no_chat_continues_the_text_and_so_does_a_missing_prompt(cli, begin) -> None:
    begin()
    done = cli(*FLAGS, "--prompt", "a?", "--no-chat")
    assert done.stdout.startswith("a?")
    assert "turn of the user" not in done.stderr
    assert "messages" not in json.loads(cli(*FLAGS, "--prompt", "a?", "--no-chat", "--json").stdout)
    begun = cli(*FLAGS)
    assert begun.code == 0
    assert "no prompt: starting after" in begun.stderr


def test_a_conversation_is_held_line_by_line(cli, begin) -> None:
    begin()
    flags = (*FLAGS, "-q", "--temperature", 0, "--stop", "\n")
    talk = cli(*flags, "--interactive", "--prompt", "a?", stdin="a?\n\n\u00e9\na?\n")
    assert talk.code == 0
    first, *_ = talk.stdout.split("\n")
    assert talk.stdout.count("\n") == 3
    assert first == cli(*flags, "--prompt", "a?").stdout.removesuffix("\n")
    assert talk.stderr.count("error: this line: character '\u00e9'") == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--system", "x"), ("--system", "no system here", "leave it out")),
        (("--no-chat", "--system", "x"), ("--system", "--no-chat")),
        (("--prompt", "", "--chat"), ("something to answer", "--prompt")),
        (("--prompt", "\u00e9"), ("\u00e9", "--skip-unknown")),
    ],
)
def test_what_a_chat_cannot_have_is_named(cli, begin, flags, words) -> None:
    begin(NO_SYSTEM)
    done = cli(*FLAGS, "--prompt", "a?", *flags)
    assert done.code == 2
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize("flags", [("--chat",), ("--system", "x")])
def test_a_run_without_a_template_holds_no_chats(cli, trained, flags) -> None:
    done = cli("sample", "--prompt", "the", *flags)
    assert done.code == 2
    assert "runs/input has no chat template" in done.stderr
    assert "gptcli prepare instructions --tokenizer runs/input" in done.stderr
    assert "turn of the user" not in cli("sample", "--prompt", "the", "-n", 2).stderr
