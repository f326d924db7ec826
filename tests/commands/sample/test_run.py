"""``sample``: text that can be had again, and what is refused."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gptcli.errors import ResourceError
from gptcli.generation.loaded_model import load_model
from gptcli.tokenization.tokenizer import Tokenizer


def test_sample_streams_the_prompt_and_is_repeatable(cli, trained: Path) -> None:
    first = cli("sample", "--prompt", "LINE 7:", "--max-new-tokens", 40)
    assert first.code == 0
    assert first.stdout.startswith("LINE 7:")
    assert len(first.stdout) == len("LINE 7:") + 40 + 1
    assert first.stdout == cli("sample", "--prompt", "LINE 7:", "--max-new-tokens", 40).stdout
    other = cli("sample", "--prompt", "LINE 7:", "--max-new-tokens", 40, "--seed", 2)
    assert other.stdout != first.stdout
    assert first.stderr.count("window") == 1


def test_sample_writes_a_file_once(cli, trained: Path) -> None:
    flags = ("sample", "--prompt", "the", "--max-new-tokens", 30, "--out", "more.txt")
    assert cli(*flags).code == 0
    text = (trained / "more.txt").read_text()
    assert text.startswith("the")
    assert len(text) == 3 + 30 + 1
    assert cli(*flags).code == 2
    assert cli(*flags, "--overwrite").code == 0


def test_several_samples_differ_and_the_first_is_the_single_one(cli, trained: Path) -> None:
    flags = ("sample", "--prompt", "the", "--max-new-tokens", 20)
    single = cli(*flags).stdout.rstrip("\n")
    document = json.loads(cli(*flags, "--num-samples", 3, "--json").stdout)
    texts = [one["text"] for one in document["samples"]]
    assert texts[0].rstrip("\n") == single
    assert len(set(texts)) == 3


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--prompt", "schön"), 2, ("ö", "U+00F6", "--skip-unknown")),
        (("--top-p", 0), 2, ("--top-p must be greater than 0",)),
        (("--top-p", "nan"), 2, ("--top-p",)),
        (("--min-p", 2), 2, ("--min-p must be between 0 and 1, not 2",)),
        (("--top-k", 10_000), 2, ("--top-k 10,000", "of the vocabulary")),
        (("--json", "--logprobs", 10_000), 2, ("--logprobs 10,000", "of the vocabulary")),
        (("--logprobs", 2), 2, ("--logprobs", "--json")),
        (("--stop", ""), 2, ("--stop",)),
        (("--prompt", "a", "--prompt-file", "b"), 2, ("--prompt-file",)),
        (("--prompt-file", "absent.txt"), 2, ("absent.txt",)),
        (("--prompt-file", "empty.txt"), 3, ("empty.txt is empty",)),
        (("--prompt", "-"), 3, ("stdin is empty",)),
        (("--stream", "--num-samples", 2), 2, ("--stream", "--num-samples")),
        (("--explain", "--json"), 2, ("--explain", "--json")),
        (("--explain", "--format", "json"), 2, ("--explain", "--json")),
        (("--format", "md"), 2, ("--format md", "text, json")),
        (("--interactive", "--no-stream"), 2, ("--interactive", "--no-stream")),
        (("--interactive", "--out", "a.txt"), 2, ("--interactive", "--out")),
        (("--interactive", "--prompt", "-"), 2, ("--interactive", "stdin")),
        (("--overflow", "never"), 2, ("--overflow never", "window, error")),
        (("--precision", "float8"), 2, ("--precision float8", "bfloat16")),
        (("--temperature", -1), 2, ("--temperature must be at least 0, not -1",)),
        (("--temperature", "nan"), 2, ("--temperature",)),
        (("--top-k", 0), 2, ("--top-k must be at least 1, not 0",)),
        (("runs/inptu",), 2, ("runs/inptu", "runs/input")),
        (("data/input",), 2, ("is a dataset", "runs/input")),
    ],
)
def test_wrong_sampling_is_one_clear_line(cli, trained, flags, code, words) -> None:
    Path("empty.txt").touch()
    done = cli("sample", *flags)
    assert done.code == code, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert done.stdout == ""


def words_of(done) -> str:
    return done.stdout.removesuffix("\n")


def test_a_prompt_comes_from_a_flag_a_file_or_stdin_to_the_byte(cli, trained: Path) -> None:
    (trained / "prompt.txt").write_bytes(b"the 1\n")
    flags = ("sample", "-n", 12)
    expected = cli(*flags, "--prompt", "the 1\n").stdout
    assert expected.startswith("the 1\n")
    assert cli(*flags, "--prompt-file", "prompt.txt").stdout == expected
    assert cli(*flags, "--prompt", "-", stdin="the 1\n").stdout == expected
    assert cli(*flags, "--prompt-file", "-", stdin="the 1\n").stdout == expected


def test_a_prompt_that_is_no_utf8_says_where(cli, trained: Path) -> None:
    done = cli("sample", "--prompt", "-", stdin=b"the \xff")
    assert done.code == 3
    assert "stdin" in done.stderr and "offset 4" in done.stderr


@pytest.mark.parametrize("flags", [(), ("--prompt", ""), ("--prompt", "öß", "--skip-unknown")])
def test_an_empty_prompt_starts_after_a_line_break_said_once(cli, trained, flags) -> None:
    done = cli("sample", "-n", 9, *flags)
    assert done.code == 0
    assert done.stderr.count("starting after a line break") == 1
    after_break = cli("sample", "-n", 9, "--prompt", "\n").stdout
    assert "\n" + done.stdout == after_break


def test_unknown_characters_are_skipped_and_named(cli, trained: Path) -> None:
    done = cli("sample", "-n", 9, "--prompt", "thöeö", "--skip-unknown")
    assert done.stdout == cli("sample", "-n", 9, "--prompt", "the").stdout
    assert "left out 2 characters" in done.stderr and "'ö' (U+00F6)" in done.stderr


def test_a_prompt_longer_than_the_context_says_what_is_seen(cli, trained: Path) -> None:
    done = cli("sample", "-n", 5, "--prompt", "the 12 cats ate " + "9" * 10)
    assert done.stdout.startswith("the 12 cats ate 9999999999")
    # 26 tokens in a context of 16: windows begin at 8 and at 16.
    assert "26 tokens" in done.stderr and "last 10" in done.stderr
    assert done.stderr.count("window") == 1


def test_overflow_error_refuses_what_the_context_cannot_hold(cli, trained: Path) -> None:
    flags = ("sample", "--prompt", "the 12 cats", "--overflow", "error")  # 11 of 16 tokens
    assert cli(*flags, "-n", 6).code == 0  # the last is written, not read
    for n_new, remedy in ((7, "-n 6"), (500, "-n 6")):
        done = cli(*flags, "-n", n_new)
        assert done.code == 2
        assert "--overflow error" in done.stderr and remedy in done.stderr
    done = cli("sample", "--prompt", "the 12 cats ate 9", "--overflow", "error", "-n", 1)
    assert done.code == 2
    assert "17 tokens" in done.stderr and "context of 16" in done.stderr


def test_a_stop_string_ends_the_text_before_it(cli, trained: Path) -> None:
    flags = ("sample", "--prompt", "the", "-n", 60, "--num-samples", 3, "--json")
    whole = json.loads(cli(*flags).stdout)["samples"]
    cut = json.loads(cli(*flags, "--stop", "at", "--stop", "E").stdout)["samples"]
    for before, after in zip(whole, cut, strict=True):
        text = before["completion"]
        ends = [place for place in (text.find("at"), text.find("E")) if place >= 0]
        assert after["completion"] == text[: min(ends, default=None)]
        assert after["finish_reason"] == ("stop" if ends else "length")
        assert after["ids"] == before["ids"][: len(after["ids"])]
    assert {sample["finish_reason"] for sample in cut} >= {"stop"}
    streamed = cli("sample", "--prompt", "the", "-n", 60, "--stop", "at", "--stop", "E")
    assert words_of(streamed) == cut[0]["text"]


def test_without_streaming_the_text_is_the_same(cli, trained: Path) -> None:
    flags = ("sample", "--prompt", "the", "-n", 30)
    assert cli(*flags, "--no-stream").stdout == cli(*flags, "--stream").stdout


def test_the_document_says_what_was_drawn_and_what_the_model_expected(cli, trained) -> None:
    flags = ("sample", "--prompt", "the", "-n", 4, "--num-samples", 2, "--json")
    document = json.loads(cli(*flags, "--logprobs", 3, "--temperature", 0.5).stdout)
    assert document["schema"] == "gptcli.samples/1"
    assert document["prompt"] == "the"
    assert document["tokens_per_second"] > 0
    tokenizer = Tokenizer.load(trained / "runs/input")
    assert document["prompt_ids"] == tokenizer.encode("the").tolist()
    model = load_model(trained / "runs/input", "cpu").model
    for sample in document["samples"]:
        assert sample["text"] == "the" + sample["completion"]
        assert tokenizer.decode(sample["ids"]) == sample["completion"]
        ids = torch.tensor([document["prompt_ids"] + sample["ids"]])
        with torch.inference_mode():
            logprobs = torch.log_softmax(model(ids)[0].double(), dim=1)[2:-1]
        for number, seen, expected in zip(sample["ids"], sample["logprobs"], logprobs, strict=True):
            assert seen["id"] == number
            assert seen["token"] == tokenizer.decode([number])
            assert seen["logprob"] == pytest.approx(float(expected[number]), abs=1e-4)
            values, indices = expected.topk(3)
            assert [one["id"] for one in seen["top"]] == indices.tolist()
            found = [one["logprob"] for one in seen["top"]]
            assert found == pytest.approx(values.tolist(), abs=1e-4)
    assert "logprobs" not in json.loads(cli(*flags).stdout)["samples"][0]


def test_no_new_tokens_leave_the_prompt(cli, trained: Path) -> None:
    assert cli("sample", "--prompt", "the", "-n", 0).stdout == "the\n"
    document = json.loads(cli("sample", "--prompt", "the", "-n", 0, "--json").stdout)
    assert document["samples"][0]["ids"] == []
    assert document["tokens_per_second"] == 0


def test_bfloat16_is_said_and_close(cli, trained: Path) -> None:
    flags = ("sample", "--prompt", "the", "-n", 1, "--json", "--logprobs", 1)
    documents = [cli(*flags, "--precision", one) for one in ("float32", "bfloat16", "auto")]
    assert "precision" not in documents[0].stderr
    assert "precision: bfloat16 (as asked)" in documents[1].stderr
    assert "precision: " in documents[2].stderr
    plain, low = (
        json.loads(one.stdout)["samples"][0]["logprobs"][0]["top"][0]["logprob"]
        for one in documents[:2]
    )
    assert plain != low
    assert low == pytest.approx(plain, abs=0.1)


def test_an_end_of_text_ends_the_text_unless_it_is_ignored(cli, tmp_path: Path, tiny) -> None:
    lines = "".join(json.dumps({"text": "ab" * (n % 3)}) + "\n" for n in range(1, 400))
    (tmp_path / "short.jsonl").write_text(lines)
    prepared = ("--tokenizer", "bpe", "--vocab-size", 260)
    assert cli("prepare", "short.jsonl", *prepared, "--split-by", "text").code == 0
    learning = ("--max-iters", 60, "--eval-interval", 60, "--lr", 0.03)
    assert cli("train", *tiny, *learning).code == 0
    tokenizer = Tokenizer.load(tmp_path / "runs/short")
    flags = ("sample", "-n", 60, "--num-samples", 4, "--json")
    done = cli(*flags)
    assert "starting after an end-of-text token" in done.stderr
    ended = json.loads(done.stdout)["samples"]
    whole = json.loads(cli(*flags, "--ignore-eos").stdout)["samples"]
    assert "end_of_text" in [sample["finish_reason"] for sample in ended]
    for cut, sample in zip(ended, whole, strict=True):
        assert sample["finish_reason"] == "length"
        assert len(sample["ids"]) == 60
        ids = sample["ids"]
        has_end = tokenizer.end_of_text in ids
        kept = ids[: ids.index(tokenizer.end_of_text)] if has_end else ids
        assert cut["completion"] == tokenizer.decode(kept)
        assert cut["ids"] == ids[: len(kept) + has_end]
        assert cut["finish_reason"] == ("end_of_text" if has_end else "length")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process there")
def test_ctrl_c_ends_the_line_and_is_exit_130(trained: Path) -> None:
    argv = [sys.executable, "-m", "gptcli", "sample", "-n", "1000000", "--prompt", "the"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, cwd=trained, **pipes) as process:
        assert process.stdout.read(20).startswith(b"the")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout.endswith(b"\n")
    assert stderr.endswith(b"error: interrupted\n")
    assert b"Traceback" not in stderr


def test_a_corrupt_checkpoint_is_refused(cli, trained: Path) -> None:
    weights = trained / "runs/input/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    for command in ("sample", "eval"):
        done = cli(command)
        assert done.code == 4
        assert "model.safetensors" in done.stderr


def test_a_closed_pipe_is_quiet(trained: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m gptcli sample -q -n 3000 | head -c 10; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=trained,
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode().rstrip().endswith("141")
    assert done.stderr == b""


@pytest.mark.parametrize("command", ["sample", "eval", "count-params"])
def test_a_full_device_is_exit_5(run_gptcli, trained: Path, command: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    argv = [command, "--preset", "gpt2"] if command == "count-params" else [command]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gptcli", *argv],
            cwd=trained,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 5
    assert "No space left" in done.stderr.decode()


def test_int8_writes_text_of_its_own(cli, trained: Path) -> None:
    flags = ("sample", "--prompt", "the", "--max-new-tokens", 30, "--quantize")
    done = cli(*flags, "int8")
    assert done.code == 0, done.stderr
    assert len(done.stdout) == len("the") + 30 + 1
    assert done.stdout == cli(*flags, "int8").stdout
    assert cli(*flags, "int3").code == 2


def test_without_a_compiler_the_text_is_the_same_and_the_reason_said(
    cli, trained: Path, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("gptcli.fast.compiled._compile", no_compiler)
    flags = ("sample", "--prompt", "the", "--max-new-tokens", 30)
    plain, done = cli(*flags), cli(*flags, "--compile")
    assert (done.code, done.stdout) == (0, plain.stdout)
    assert "cannot be compiled: no g++: continuing without it" in done.stderr


def test_after_a_long_text_the_faster_way_is_named(cli, trained: Path, monkeypatch) -> None:
    flags = ("sample", "-n", "3")
    assert "--compile" not in cli(*flags).stderr
    monkeypatch.setattr("gptcli.commands.sample.run._LONG", 0)
    monkeypatch.setattr("gptcli.commands.sample.run._COMPILERS", ("sh",))
    assert "--compile makes this" in cli(*flags).stderr


def no_compiler(*_: object) -> None:
    raise ResourceError("the decoding step cannot be compiled: no g++")


def test_neither_the_compiler_nor_what_draws_pictures_is_loaded(trained: Path) -> None:
    script = (
        "import sys\n"
        "from gptcli.cli import main\n"
        "sys.argv = ['gptcli', 'sample', '-n', '1']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch._dynamo', 'torch._inductor', 'matplotlib', 'transformers', 'sympy'}\n"
        "print(*heavy & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=trained, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == ""


def test_flags_beyond_all_use_are_refused_at_once(cli, trained: Path) -> None:
    for flags in (("--num-samples", 10**10), ("--repetition-penalty", 1e-300)):
        done = cli("sample", *flags)
        assert (done.code, done.stdout) == (2, ""), done.stderr
