"""The path of a new user: prepare, train, eval, sample; and what goes wrong on it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TEXT = "".join(f"LINE {n}:\nthe {n} cats ate {n * n} rats.\n\n" for n in range(300))
TINY = (
    "--n-layer", 1, "--n-head", 2, "--n-embd", 16, "--block-size", 16, "--batch-size", 4,
    "--precision", "float32",
)  # fmt: skip


@pytest.fixture
def prepared(cli, tmp_path: Path) -> Path:
    (tmp_path / "input.txt").write_text(TEXT)
    assert cli("prepare", "input.txt").code == 0
    return tmp_path


@pytest.fixture
def trained(cli, prepared: Path) -> Path:
    done = cli("train", *TINY, "--max-iters", 20, "--eval-interval", 10)
    assert done.code == 0, done.stderr
    return prepared


def test_what_is_left_out_is_filled_in_and_said(cli, prepared: Path) -> None:
    done = cli("train", *TINY, "--max-iters", 3)
    assert done.code == 0
    assert "filled in:" in done.stderr
    assert "--lr 0.004" in done.stderr
    assert "--n-layer" not in done.stderr.split("filled in:")[1].splitlines()[0]
    assert "estimated time" in done.stderr
    assert "device: " in done.stderr
    assert done.stdout.startswith("runs/input: best val loss")


def test_nothing_is_overwritten_unless_asked(cli, trained: Path) -> None:
    weights = trained / "runs/input/model.safetensors"
    before = weights.read_bytes()
    assert cli("train", *TINY, "--max-iters", 2, "--seed", 5).code == 0
    assert (trained / "runs/input-2/model.safetensors").is_file()
    taken = cli("train", *TINY, "--max-iters", 2, "--out", "runs/input")
    assert taken.code == 2
    assert "--overwrite" in taken.stderr
    assert weights.read_bytes() == before
    again = cli("train", *TINY, "--max-iters", 2, "--out", "runs/input", "--overwrite")
    assert again.code == 0
    assert weights.read_bytes() != before


def test_overwrite_never_removes_what_is_no_run(cli, prepared: Path) -> None:
    done = cli("train", *TINY, "--max-iters", 2, "--out", "data", "--overwrite")
    assert done.code == 2
    assert (prepared / "data/input/dataset.json").is_file()


def test_json_is_one_document(cli, prepared: Path) -> None:
    done = cli("train", *TINY, "--max-iters", 2, "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == "gptcli.train/1"
    assert document["steps"] == 2


def test_a_config_file_gives_flags_and_the_command_line_wins(cli, prepared: Path) -> None:
    (prepared / "small.toml").write_text(
        "n-layer = 1\nn_head = 2\nn_embd = 16\nblock_size = 16\nbatch_size = 4\n"
        'max_iters = 3\nlr = 0.01\ntied = false\nprecision = "float32"\n'
    )
    assert cli("train", "--config", "small.toml", "--lr", 0.002).code == 0
    record = json.loads((prepared / "runs/input/train.json").read_text())
    assert record["model"]["n_embd"] == 16
    assert record["model"]["tied"] is False
    assert record["training"]["lr"] == 0.002
    assert record["training"]["max_iters"] == 3


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("n_layers = 1", "n_layer"),
        ("n_layer = [1]", "n_layer"),
        ('n_layer = "x"', "n-layer"),
        ("n_layer = ", "TOML"),
    ],
)
def test_a_wrong_config_file_is_explained(cli, prepared: Path, content: str, word: str) -> None:
    (prepared / "bad.toml").write_text(content)
    done = cli("train", "--config", "bad.toml")
    assert done.code == 2
    assert word in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--n-head", 3, "--n-embd", 16), 2, ("--n-head 3", "--n-embd")),
        (("--n-layer", 0), 2, ("--n-layer 0",)),
        (("--dropout", 1.5), 2, ("--dropout 1.5",)),
        (("--preset", "lectur"), 2, ("lectur", "lecture")),
        (("--device", "tpu"), 2, ("tpu", "cpu")),
        (("--precision", "float8"), 2, ("float8", "bfloat16")),
        (("--lr", "nan"), 2, ("--lr",)),
        (("--order", "sorted"), 2, ("sorted", "random")),
        (("--activation", "swish"), 2, ("swish", "relu")),
        (("--block-size", 10**6), 3, ("--block-size",)),
        (("--data", "nowhere"), 2, ("nowhere",)),
        (("--resume", "nowhere"), 2, ("nowhere",)),
        (("--max-iter", 3), 2, ("--max-iter", "--max-iters")),
    ],
)
def test_a_wrong_value_is_named_with_one_that_works(cli, prepared, flags, code, words) -> None:
    done = cli("train", *flags)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.code == code, done.stderr
    assert len(errors) == 1
    assert all(str(word) in errors[0] for word in words), errors[0]
    assert not (prepared / "runs").exists()


def test_without_data_the_way_is_shown(cli) -> None:
    done = cli("train")
    assert done.code == 2
    assert "gptcli prepare" in done.stderr


def test_resume_takes_no_other_flag(cli, trained: Path) -> None:
    done = cli("train", "--resume", "runs/input", "--lr", 0.1)
    assert done.code == 2
    assert "--lr" in done.stderr


def test_resume_goes_on_to_more_iterations(cli, trained: Path) -> None:
    done = cli("train", "--resume", "runs/input", "--max-iters", 25)
    assert done.code == 0, done.stderr
    assert "resuming runs/input at step 20" in done.stderr
    assert (trained / "runs/input/resume/step-00000025").is_dir()


def start(prepared: Path, *flags: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "gptcli", "train", *map(str, flags)],
        cwd=prepared,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def wait_for_step(prepared: Path, number: int) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        steps = sorted((prepared / "runs/input/resume").glob("step-*"))
        if steps and int(steps[-1].name[5:]) >= number:
            return
        time.sleep(0.02)
    pytest.fail(f"step {number} was never saved")


LONG = (*TINY, "--max-iters", 400, "--eval-interval", 20, "--eval-batches", 1)


@pytest.fixture
def straight(cli, prepared: Path) -> bytes:
    assert cli("train", *LONG, "--out", "runs/straight").code == 0
    return (prepared / "runs/straight/resume/step-00000400/model.safetensors").read_bytes()


def test_kill_9_then_resume_ends_like_an_uninterrupted_run(cli, prepared, straight) -> None:
    process = start(prepared, *LONG)
    wait_for_step(prepared, 40)
    process.kill()
    process.wait()
    done = cli("train", "--resume", "runs/input")
    assert done.code == 0, done.stderr
    final = prepared / "runs/input/resume/step-00000400/model.safetensors"
    assert final.read_bytes() == straight
    assert not list((prepared / "runs/input").glob("**/.tmp-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_saves_and_says_how_to_go_on(cli, prepared, straight, number) -> None:
    process = start(prepared, *LONG)
    wait_for_step(prepared, 20)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "gptcli train --resume runs/input" in stderr.decode()
    assert "Traceback" not in stderr.decode()
    assert cli("train", "--resume", "runs/input").code == 0
    final = prepared / "runs/input/resume/step-00000400/model.safetensors"
    assert final.read_bytes() == straight


def test_a_run_in_use_is_refused_and_its_holder_named(cli, prepared) -> None:
    process = start(prepared, *LONG, "--max-iters", 100000)
    try:
        wait_for_step(prepared, 0)
        done = cli("train", "--resume", "runs/input")
        assert done.code == 5
        assert str(process.pid) in done.stderr
    finally:
        process.kill()
        process.communicate()


def test_eval_prints_figures_that_agree_with_each_other(cli, trained: Path) -> None:
    document = json.loads(cli("eval", "--json").stdout)
    assert document["tokens"] == len(TEXT) - int(0.9 * len(TEXT)) - 1
    assert document["bytes"] == document["characters"] == document["tokens"]
    assert document["bits_per_byte"] == pytest.approx(document["loss"] / 0.6931471805599453)
    assert cli("eval", "--json").stdout == cli("eval", "runs/input", "--json").stdout
    assert document == json.loads(cli("eval", "--json").stdout)
    table = cli("eval").stdout
    assert f"{document['loss']:.4f}" in table
    assert "context" in table


def test_eval_and_training_report_the_same_loss(cli, trained: Path) -> None:
    record = json.loads((trained / "runs/input/metrics.jsonl").read_text().strip().splitlines()[-1])
    document = json.loads(cli("eval", "runs/input/resume/step-00000020", "--json").stdout)
    assert document["loss"] == pytest.approx(record["val_loss"], abs=1e-6)


def test_eval_refuses_another_tokenizer_and_names_the_remedy(cli, trained: Path) -> None:
    (trained / "other.txt").write_text("another alphabet\n" * 100)
    cli("prepare", "other.txt")
    done = cli("eval", "runs/input", "--data", "data/other")
    assert done.code == 4
    assert "gptcli prepare TEXT --tokenizer runs/input" in done.stderr


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
        (("--prompt", "schön"), 2, ("ö", "U+00F6")),
        (("--temperature", -1), 2, ("--temperature -1",)),
        (("--temperature", "nan"), 2, ("--temperature",)),
        (("--top-k", 0), 2, ("--top-k 0",)),
        (("runs/inptu",), 2, ("runs/inptu", "runs/input")),
        (("data/input",), 2, ("config.json",)),
    ],
)
def test_wrong_sampling_is_one_clear_line(cli, trained, flags, code, words) -> None:
    done = cli("sample", *flags)
    assert done.code == code, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert done.stdout == ""


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


def test_overwrite_refuses_what_the_user_put_into_a_run(cli, trained: Path) -> None:
    (trained / "runs/input/thesis.txt").write_text("years of work")
    done = cli("train", *TINY, "--max-iters", 2, "--out", "runs/input", "--overwrite")
    assert done.code == 2
    assert "thesis.txt" in done.stderr
    assert (trained / "runs/input/thesis.txt").exists()


def test_overwrite_keeps_the_old_run_when_the_new_one_cannot_be(cli, trained: Path) -> None:
    before = (trained / "runs/input/model.safetensors").read_bytes()
    done = cli("train", *TINY, "--block-size", 10**6, "--out", "runs/input", "--overwrite")
    assert done.code == 3
    assert (trained / "runs/input/model.safetensors").read_bytes() == before


def test_a_step_that_is_not_ours_is_neither_pruned_nor_resumed(cli, trained: Path) -> None:
    folder = trained / "runs/input/resume"
    (folder / "step-00000003-keep").mkdir()
    assert cli("train", "--resume", "runs/input", "--max-iters", 25).code == 0
    assert (folder / "step-00000003-keep").is_dir()


def test_a_linked_resume_folder_is_refused(cli, trained: Path) -> None:
    folder = trained / "runs/input/resume"
    folder.rename(trained / "elsewhere")
    folder.symlink_to(trained / "elsewhere")
    done = cli("train", "--resume", "runs/input", "--max-iters", 25)
    assert done.code == 4
    assert len(list((trained / "elsewhere").iterdir())) == 2


@pytest.mark.parametrize(
    ("field", "value"), [("n_head", 1), ("activation", "relu"), ("n_embd", 32), ("bias", None)]
)
def test_a_changed_record_cannot_resume_as_another_model(cli, trained, field, value) -> None:
    file = trained / "runs/input/train.json"
    record = json.loads(file.read_text())
    record["model"][field] = value
    file.write_text(json.dumps(record))
    done = cli("train", "--resume", "runs/input", "--max-iters", 25)
    assert done.code == 4
    assert field in done.stderr


def test_a_run_of_a_device_that_is_not_here_says_so(cli, trained, monkeypatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    file = trained / "runs/input/train.json"
    record = json.loads(file.read_text())
    record["training"]["device"] = "cuda"
    file.write_text(json.dumps(record))
    done = cli("train", "--resume", "runs/input")
    assert done.code == 2
    assert "cuda" in done.stderr


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


@pytest.mark.skipif(sys.platform == "win32", reason="ulimit is a shell's")
def test_a_file_size_limit_in_a_save_is_exit_5_and_keeps_nothing_half(prepared: Path) -> None:
    flags = " ".join(map(str, ("--n-layer", 2, "--n-embd", 128, "--max-iters", 3)))
    done = subprocess.run(
        f"ulimit -f 100; {sys.executable} -m gptcli train {flags} --block-size 16",
        shell=True,
        executable="/bin/bash",
        cwd=prepared,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr.decode()
    assert "a bug" not in done.stderr.decode()
    assert not list((prepared / "runs").glob("**/.tmp-*"))
    assert not (prepared / "runs/input/model.safetensors").exists()


def test_training_goes_on_when_nobody_listens(prepared: Path) -> None:
    flags = " ".join(map(str, (*TINY, "--max-iters", 20)))
    subprocess.run(
        f"{sys.executable} -m gptcli train {flags} 2>&1 >/dev/null | head -1",
        shell=True,
        cwd=prepared,
        capture_output=True,
        check=False,
    )
    assert (prepared / "runs/input/resume/step-00000020").is_dir()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_nohup_is_respected(prepared: Path) -> None:
    command = ["nohup", sys.executable, "-m", "gptcli", "train", *map(str, LONG)]
    process = subprocess.Popen(
        command, cwd=prepared, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_step(prepared, 20)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=90) == 0
