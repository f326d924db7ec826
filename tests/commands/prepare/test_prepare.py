import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gptcli.commands.prepare.command import PrepareRequest
from gptcli.data.dataset import Dataset
from gptcli.errors import UsageError
from gptcli.tokenization.trainer import character_tokenizer

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n" * 4


@pytest.fixture
def input_file(cli):
    Path("input.txt").write_text(TEXT)


def test_summary_has_the_sizes_and_the_next_command(cli, input_file):
    done = cli("prepare", "input.txt")
    assert done.code == 0
    assert done.stdout.splitlines() == [
        "data/input",
        "  source      input.txt",
        "  characters  244",
        "  bytes       244",
        "  vocabulary  27 (char, uint16)",
        "  train       219 tokens",
        "  val         25 tokens",
        "  ratio       1.00 bytes per token",
    ]
    assert done.stderr == "next: gptcli train\n"


def test_conversations_are_made_as_many_as_asked_for(cli):
    done = cli("prepare", "instructions", "--count", 30, "--seed", 5)
    assert done.code == 0, done.stderr
    assert "instructions (30 chats)" in done.stdout
    assert Dataset.open(Path("data/instructions")).train.is_masked


def test_quiet_leaves_the_result_alone(cli, input_file):
    done = cli("prepare", "input.txt", "-q")
    assert done.stdout.startswith("data/input\n")
    assert done.stderr == ""


def test_json_is_one_document_of_whole_numbers(cli, input_file):
    answer = json.loads(cli("prepare", "input.txt", "--json").stdout)
    assert answer["schema"] == "gptcli.prepared/1"
    assert answer["splits"]["train"]["tokens"] == 219
    assert answer["identity"] == Dataset.open(Path(answer["directory"])).identity


def test_taken_default_name_becomes_the_next(cli, input_file):
    for expected in ("data/input", "data/input-2", "data/input-3"):
        assert cli("prepare", "input.txt").stdout.startswith(expected + "\n")


def test_overwrite_replaces_the_default_name(cli, input_file):
    cli("prepare", "input.txt")
    Path("input.txt").write_text("other words " * 9)
    assert cli("prepare", "input.txt", "--overwrite").code == 0
    assert Dataset.open(Path("data/input")).source["characters"] == 108
    assert not Path("data/input-2").exists()


def test_out_names_the_directory_and_is_never_replaced_unasked(cli, input_file):
    first = cli("prepare", "input.txt", "--out", "mine/set")
    assert first.code == 0
    assert "next: gptcli train --data mine/set" in first.stderr
    second = cli("prepare", "input.txt", "--out", "mine/set")
    assert second.code == 2
    assert "--overwrite" in second.stderr


@pytest.mark.parametrize("out", [".", "..", "/"])
def test_out_without_a_name_is_a_usage_error(cli, input_file, out):
    assert cli("prepare", "input.txt", "--out", out, "--overwrite").code == 2


def test_stdin_is_a_source(cli):
    done = cli("prepare", "-", stdin=TEXT)
    assert done.stdout.startswith("data/stdin\n")
    assert Dataset.open(Path("data/stdin")).source["name"] == "stdin"


def test_records_on_stdin_are_read_as_such_and_it_is_said(cli):
    lines = "".join(json.dumps({"text": f"poem {n}", "url": "x"}) + "\n" for n in range(120))
    done = cli("prepare", "-", stdin=lines)
    assert done.stderr.startswith("stdin holds JSON records: it is read like .jsonl\n")
    assert Dataset.open(Path("data/stdin")).source["documents"] == 120


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipe_is_a_source(cli, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(TEXT,))
    writer.start()
    assert cli("prepare", "pipe").code == 0
    writer.join()


def test_val_fraction_moves_the_cut(cli, input_file):
    cli("prepare", "input.txt", "--val-fraction", "0.5")
    assert Dataset.open(Path("data/input")).val.n_tokens == 122


@pytest.mark.parametrize("fraction", ["1", "-0.1", "nan", "inf"])
def test_val_fraction_outside_its_range_is_a_usage_error(cli, input_file, fraction):
    done = cli("prepare", "input.txt", "--val-fraction", fraction)
    assert done.code == 2
    assert "--val-fraction" in done.stderr


def test_unk_adds_a_token(cli, input_file):
    cli("prepare", "input.txt", "--unk")
    assert Dataset.open(Path("data/input")).vocab_size == 28


def test_tokenizer_of_another_dataset_is_reused(cli, input_file):
    cli("prepare", "input.txt")
    Path("short.txt").write_text("hear me speak")
    cli("prepare", "short.txt", "--tokenizer", "data/input")
    first, second = (Dataset.open(Path("data", name)) for name in ("input", "short"))
    assert second.tokenizer.identity == first.tokenizer.identity


def test_character_that_the_tokenizer_lacks_is_bad_data(cli, input_file):
    Path("tokenizer.json").write_text(character_tokenizer("abc").to_json())
    done = cli("prepare", "input.txt", "--tokenizer", "tokenizer.json")
    assert done.code == 3
    assert "input.txt, line 1: character 'F' (U+0046) is not in" in done.stderr
    assert not Path("data/input").exists()


def test_new_and_given_tokenizer_exclude_each_other(cli, input_file):
    assert cli("prepare", "input.txt", "--unk", "--tokenizer", "x").code == 2


def test_file_named_like_a_built_in_source_is_pointed_out(cli, monkeypatch):
    monkeypatch.setattr(
        "gptcli.data.corpus.sources._source_files", lambda root: iter([Path("a.py")])
    )
    Path("a.py").write_text("print('hello')\n" * 9)
    Path("python").write_text(TEXT)
    done = cli("prepare", "python")
    assert "./python" in done.stderr
    assert Dataset.open(Path("data/python")).source["name"] == "python (1 file)"
    assert cli("prepare", "./python").stdout.startswith("data/python-2\n")
    assert Dataset.open(Path("data/python-2")).source["characters"] == len(TEXT)


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", 3, "is empty"),
        (b" \n\t\r\n", 3, "only white space"),
        (b"a", 3, "0 to train on and 1 to hold out"),
        (b"ok \xff", 3, "offset 3"),
        (b"\x7fELF\0\xff", 3, "binary"),
        (b"\xff\xfeh\0i\0", 3, "UTF-16"),
    ],
)
def test_bad_text_is_one_line_and_leaves_nothing(cli, content, code, says):
    Path("bad.txt").write_bytes(content)
    done = cli("prepare", "bad.txt")
    assert done.code == code
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    assert not Path("data").exists()


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["none.txt"], 2),
        (["input.txt", "./input.txt"], 2),
        (["input.txt", "--merge"], 2),
        (["--shard", "0/2"], 2),
        (["input.txt", "--plan", "--merge"], 2),
        (["input.txt", "--errors", "maybe"], 2),
        (["input.txt", "--workers", "0"], 2),
        (["input.txt", "--vocab-size", "300"], 2),
        (["input.txt", "--tokenizer", "bpe:300", "--vocab-size", "400"], 2),
        (["input.txt", "--tokenizer", "bpe:100"], 2),
        (["--verify", "none"], 2),
        (["addition", "--count", "10000000", "-q"], 2),
        ([], 2),
        (["input.txt", "--tokenizer", "./none"], 2),
        (["input.txt", "--tokenizer", "bad.json"], 4),
        (["input.txt", "--out", "input.txt/x"], 5),
        (["input.txt", "--no-such-flag"], 2),
        (["input.txt", "--field", "text"], 2),
        (["input.txt", "--skip-bad", "3"], 2),
        (["input.txt", "--split-on", "nowhere"], 2),
        (["input.txt", "--split-on", ""], 2),
        (["input.txt", "--digits", "2"], 2),
        (["input.txt", "--digits", "3"], 2),  # the default, for addition
        (["instructions", "--digits", "3"], 2),
        (["input.txt", "--count", "3"], 2),
        (["input.txt", "--reverse"], 2),
        (["input.txt", "--count", "9"], 2),
        (["input.txt", "--seed", "2"], 2),
        (["--list-sources", "--workers", "2"], 2),
        (["--verify", "data", "--overwrite"], 2),
        (["--shard", "0/1", "--out", "data/x", "--overwrite"], 2),
    ],
)
def test_wrong_use_is_one_line_with_its_code(cli, input_file, argv, code):
    Path("bad.json").write_text('{"version": "1.0", "model": 5}')
    done = cli("prepare", *argv)
    assert done.code == code
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_text_is_kept_byte_for_byte(cli):
    text = "\ufeffa\r\n\0\x1b[31m e\u0301 😀 [/x] </script>\r" * 9
    Path("odd.txt").write_bytes(text.encode())
    cli("prepare", "odd.txt", "--val-fraction", "0")
    dataset = Dataset.open(Path("data/odd"))
    assert dataset.tokenizer.decode(dataset.train.read(0, dataset.train.n_tokens)) == text


def test_markup_and_escapes_in_a_path_are_printed_literally(cli):
    name = "[red]\x1b[31m.txt"
    Path(name).write_text(TEXT)
    done = cli("prepare", name)
    assert done.code == 0
    assert done.stdout.startswith("data/[red]\\x1b[31m\n")
    assert "\x1b" not in done.stdout + done.stderr


def test_name_that_is_no_unicode_is_no_obstacle(run_gptcli, tmp_path):
    try:
        name = os.fsdecode(b"in\xff.txt")
        (tmp_path / name).write_text(TEXT)
    except OSError:
        pytest.skip("this file system wants names in Unicode")
    assert run_gptcli("prepare", name).code == 0


def test_torch_stays_out(tmp_path, run_gptcli):
    (tmp_path / "input.txt").write_text(TEXT)
    trap = tmp_path / "trap" / "torch"
    trap.mkdir(parents=True)
    (trap / "__init__.py").write_text("raise SystemExit('torch was imported')")
    env = {"PYTHONPATH": str(trap.parent)}
    assert run_gptcli("prepare", "input.txt", env=env).code == 0
    assert run_gptcli("tokenize", "hear", env=env).code == 0


def test_verify_tells_a_damaged_shard_from_a_whole_one(cli, input_file):
    cli("prepare", "input.txt")
    good = cli("prepare", "--verify", "data/input", "--json")
    assert json.loads(good.stdout)["files"] == 2
    shard = Path("data/input/train/part-00000.bin")
    content = bytearray(shard.read_bytes())
    content[10] ^= 1
    shard.write_bytes(content)
    bad = cli("prepare", "--verify", "data/input")
    assert bad.code == 3
    assert "part-00000.bin is damaged" in bad.stderr


def test_plan_shards_and_merge_say_how_to_go_on(cli, input_file):
    planned = cli("prepare", "input.txt", "--plan", "--out", "data/big")
    assert planned.stdout == "data/big.plan\n"
    assert "--shard i/n" in planned.stderr
    assert cli("prepare", "--merge", "--out", "data/big").code == 2
    for share in ("0/2", "1/2"):
        assert cli("prepare", "--shard", share, "--out", "data/big").code == 0
    merged = cli("prepare", "--merge", "--out", "data/big")
    assert merged.stdout.startswith("data/big\n")
    assert "next: gptcli train\n" in merged.stderr


def test_plan_and_shard_print_json_too(cli, input_file):
    planned = json.loads(cli("prepare", "input.txt", "--plan", "--out", "big", "--json").stdout)
    assert (planned["directory"], planned["parts"]) == ("big.plan", 2)
    done = json.loads(cli("prepare", "--shard", "0/2", "--out", "big", "--json").stdout)
    assert (done["index"], done["count"], done["parts"]) == (0, 2, 1)


def test_built_in_sources_are_listed(cli):
    listed = cli("prepare", "--list-sources")
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert {"python", "shakespeare", "addition", "calculator"} <= set(names)


def test_sums_become_a_dataset_to_train_on(cli):
    done = cli("prepare", "addition", "--digits", "2", "--reverse", "--count", "300")
    assert done.code == 0
    assert "count in the loss" in done.stdout


def test_disk_without_room_is_named_with_what_is_needed(cli, input_file, monkeypatch):
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    done = cli("prepare", "input.txt")
    assert done.code == 5
    assert "no room for the dataset" in done.stderr
    assert not Path("data").exists()


def test_verify_takes_the_flags_that_work_everywhere(cli, tmp_path) -> None:
    (tmp_path / "input.txt").write_text("hii there\n" * 30)
    assert cli("prepare", "input.txt").code == 0
    for verbosity in ("-q", "--verbose", "--debug"):
        assert cli("prepare", "--verify", "data/input", verbosity).code == 0


def test_every_answer_comes_in_every_format(cli, input_file):
    csv = cli("prepare", "input.txt", "--format", "csv").stdout
    assert csv.splitlines()[:2] == ["name,value", "source,input.txt"]
    assert "train,219\n" in csv
    markdown = cli("prepare", "--verify", "data/input", "--format", "md").stdout
    assert markdown.startswith("**data/input**\n")
    assert "| files | 2 |" in markdown
    listed = cli("prepare", "--list-sources", "--format", "csv").stdout
    assert listed.startswith("source,about\npython,")
    assert cli("prepare", "input.txt", "--plan", "--out", "big", "--format", "csv").code == 0
    shard = cli("prepare", "--shard", "0/1", "--out", "big", "--format", "csv")
    assert "parts encoded,2" in shard.stdout


@pytest.mark.parametrize(
    "given",
    [
        {"source": ["input.txt"], "vocab_size": 300},
        {"source": ["input.txt"], "digits": 0},
        {"source": ["input.txt"], "val_fraction": 2.0},
        {"source": ["input.txt"], "tokenizer": "bpe:300", "pattern": "gpt2"},
        {"source": ["input.txt"], "tokenizer": "some/path", "unk": True},
        {"shard": "0/2"},
        {"merge": True, "out": Path("x"), "unk": True},
    ],
)
def test_a_wrong_flag_fails_when_the_request_is_made(given):
    with pytest.raises(UsageError):
        PrepareRequest(**given)


@pytest.mark.parametrize("name", ["prepare", "tokenize"])
def test_flags_are_checked_without_what_reads_texts(name):
    code = (
        f"import sys, gptcli.commands.{name}.command\n"
        "print(*{'numpy', 'tokenizers', 'rich.text', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"\n"


def test_what_prepare_advises_runs_also_for_a_short_text(cli) -> None:
    Path("six.txt").write_text("abcdef")
    advised = cli("prepare", "six.txt").stderr.splitlines()[-1]
    assert advised.endswith("next: gptcli train")
    tiny = ("--n-layer", 1, "--n-head", 1, "--n-embd", 4, "--max-iters", 1)
    assert cli("train", *tiny).code == 0
    Path("two.txt").write_text("ab")
    assert "prepare more text" in cli("prepare", "two.txt").stderr
    refused = cli("train", *tiny)
    assert refused.code == 3 and "prepare more text" in refused.stderr


def test_a_dataset_without_a_validation_split_names_the_one_to_evaluate(cli) -> None:
    Path("a.txt").write_text("some text " * 50)
    cli("prepare", "a.txt", "--val-fraction", 0)
    cli("train", "--block-size", 4, "--n-layer", 1, "--n-head", 1, "--n-embd", 4, "--max-iters", 1)
    assert "add --split train" in cli("eval").stderr
    assert cli("eval", "--split", "train").code == 0


def test_the_same_text_again_is_said_and_a_dash_is_no_place(cli) -> None:
    Path("a.txt").write_text("some text " * 50)
    assert "same content" not in cli("prepare", "a.txt").stderr
    again = cli("prepare", "a.txt").stderr
    assert "data/a has the same content already: data/a-2 is a second copy" in again
    assert cli("prepare", "a.txt", "--out", "-").code == 2
    assert not Path("-").exists()


def test_tokens_of_a_text_that_the_newest_dataset_cannot_encode(cli) -> None:
    Path("a.txt").write_text("0123456789" * 20)
    cli("prepare", "a.txt")
    shown = cli("tokenize", "hello", "--ids")
    assert (shown.code, shown.stdout) == (0, "1 0 2 2 3\n")
    assert "data/a, the newest dataset, has no token for 'h'" in shown.stderr
    assert cli("tokenize", "12", "--ids").stdout == "1 2\n"
    assert cli("tokenize", "one two one", "--tokenizer", "word", "--ids").code == 0


def test_a_flag_that_a_config_file_names_twice_is_refused_with_its_line(cli) -> None:
    Path("c.toml").write_text("max-iters = 1\nn_layer = 1\nn-layer = 2\n")
    done = cli("train", "--config", "c.toml")
    assert done.code == 2
    assert "c.toml, line 3: n_layer and n-layer are one flag" in done.stderr
