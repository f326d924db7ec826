"""``train``: what is filled in, what is refused, what is never overwritten."""

import json
from pathlib import Path

import pytest


def test_what_is_left_out_is_filled_in_and_said(cli, prepared: Path, tiny) -> None:
    done = cli("train", *tiny, "--max-iters", 3)
    assert done.code == 0
    assert "chosen for you:" in done.stderr
    assert "--optimizer muon  --lr 0.036" in done.stderr
    assert "--n-layer" not in done.stderr.split("chosen for you:")[1].splitlines()[0]
    assert "estimated time" in done.stderr
    assert "device: " in done.stderr
    assert done.stdout.startswith("runs/input: best val loss")


def test_nothing_is_overwritten_unless_asked(cli, trained: Path, tiny) -> None:
    weights = trained / "runs/input/model.safetensors"
    before = weights.read_bytes()
    assert cli("train", *tiny, "--max-iters", 2, "--seed", 5).code == 0
    assert (trained / "runs/input-2/model.safetensors").is_file()
    taken = cli("train", *tiny, "--max-iters", 2, "--out", "runs/input")
    assert taken.code == 2
    assert "--overwrite" in taken.stderr
    assert weights.read_bytes() == before
    again = cli("train", *tiny, "--max-iters", 2, "--out", "runs/input", "--overwrite")
    assert again.code == 0
    assert weights.read_bytes() != before


def test_overwrite_never_removes_what_is_no_run(cli, prepared: Path, tiny) -> None:
    done = cli("train", *tiny, "--max-iters", 2, "--out", "data", "--overwrite")
    assert done.code == 2
    assert (prepared / "data/input/dataset.json").is_file()


def test_json_is_one_document(cli, prepared: Path, tiny) -> None:
    done = cli("train", *tiny, "--max-iters", 2, "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == "gptcli.train/1"
    assert document["steps"] == 2


def test_a_config_file_gives_flags_and_the_command_line_wins(cli, prepared: Path) -> None:
    (prepared / "small.toml").write_text(
        "n-layer = 1\nn_head = 2\nn_embd = 16\nblock_size = 16\nbatch_size = 4e0\n"
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
        ("n_layers = 1", "bad.toml, line 1: n_layers is not a flag of gptcli train: did you mean"),
        ("\n# lr\n'n-laier' = 1", "bad.toml, line 3: n-laier is not a flag"),
        ("lr = 1e-3\nn_layer = [1]", "bad.toml, line 2: n_layer must be a single value"),
        ("lr = 1e-3\n[model]\nn_layer = 1", "bad.toml, line 2: [model] is a table"),
        ('n_layer = "x"', "n-layer"),
        ("n_layer = ", "TOML"),
        ("max_iters = 2.5", "'2.5' is not a valid int"),
        ("n_layer = true", "'true' is not a valid int"),
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
        (("--n-layer", 0), 2, ("--n-layer must be at least 1",)),
        (("--dropout", 1.5), 2, ("--dropout must be", "not 1.5", "--dropout 0.1")),
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
    for given in (("--lr", 0.1), ("--compile", "on")):
        done = cli("train", "--resume", "runs/input", *given)
        assert done.code == 2
        assert f"{given[0]} cannot change" in done.stderr


def test_a_config_file_is_as_good_as_its_flags_where_few_are_taken(cli, trained: Path) -> None:
    file = Path("small.toml")
    for asked in (("--list-presets",), ("--resume", trained)):
        file.write_text("n_layer = 1", encoding="utf-8")
        refused = cli("train", *asked, "--config", file)
        assert refused.code == 2 and "--n-layer" in refused.stderr
    file.write_text('device = "cpu"', encoding="utf-8")
    assert cli("train", "--list-presets", "--config", file).code == 0


def test_resume_goes_on_to_more_iterations(cli, trained: Path) -> None:
    done = cli("train", "--resume", "runs/input", "--max-iters", 25)
    assert done.code == 0, done.stderr
    assert "resuming runs/input at step 20" in done.stderr
    assert (trained / "runs/input/resume/step-00000025").is_dir()


def test_overwrite_refuses_what_the_user_put_into_a_run(cli, trained: Path, tiny) -> None:
    (trained / "runs/input/thesis.txt").write_text("years of work")
    done = cli("train", *tiny, "--max-iters", 2, "--out", "runs/input", "--overwrite")
    assert done.code == 2
    assert "thesis.txt" in done.stderr
    assert (trained / "runs/input/thesis.txt").exists()


def test_overwrite_keeps_the_old_run_when_the_new_one_cannot_be(cli, trained: Path, tiny) -> None:
    before = (trained / "runs/input/model.safetensors").read_bytes()
    done = cli("train", *tiny, "--block-size", 10**6, "--out", "runs/input", "--overwrite")
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


def test_every_command_says_which_step_of_how_many_it_uses(cli, trained: Path) -> None:
    for argv in (
        ("sample", "--prompt", "the", "--max-new-tokens", 2),
        ("eval",),
        ("eval", "--verify"),
        ("inspect-attention", "--text", "the cats"),
        ("count-params",),
    ):
        done = cli(*argv, "--json")
        assert done.code == 0, done.stderr
        assert "step 20 of 20" in done.stderr
        document = json.loads(done.stdout)
        place = {"inspect-attention": "model", "count-params": "checkpoint"}.get(argv[0])
        said = document if place is None else document[place]
        assert (said["step"], said["max_iters"]) == (20, 20)
    done = cli("sample", "runs/input/resume/step-00000010", "--max-new-tokens", 2)
    assert "step 10 of 20" in done.stderr


def test_without_steps_the_model_is_saved_untrained(cli, prepared: Path, tiny) -> None:
    done = cli("train", *tiny, "--max-iters", 0)
    assert done.code == 0, done.stderr
    assert "at step 0, 0 steps" in done.stdout
    for argv in (("sample", "--max-new-tokens", 3), ("eval",)):
        done = cli(*argv)
        assert done.code == 0
        assert "step 0 of 0" in done.stderr


def test_a_run_goes_on_on_another_device(cli, trained: Path) -> None:
    file = trained / "runs/input/train.json"
    record = json.loads(file.read_text())
    record["training"] |= {"device": "cuda", "threads": 0}
    file.write_text(json.dumps(record))
    done = cli("train", "--resume", "runs/input", "--max-iters", 22)
    if done.code:  # there is no GPU here: the way out works
        assert done.code == 2
        assert "--device cpu" in done.stderr
    done = cli("train", "--resume", "runs/input", "--max-iters", 22, "--device", "cpu")
    assert done.code == 0, done.stderr
    now = json.loads(file.read_text())["training"]
    assert now["device"] == "cpu"
    assert now["threads"] > 0


def test_how_many_saves_are_kept_may_change_when_a_run_is_resumed(cli, trained: Path) -> None:
    def kept() -> list[int]:
        return sorted(int(step.name[5:]) for step in (trained / "runs/input/resume").iterdir())

    assert kept() == [10, 20]
    done = cli("train", "--resume", "runs/input", "--max-iters", 50, "--keep", 4)
    assert done.code == 0, done.stderr
    assert kept() == [20, 30, 40, 50]
    assert json.loads((trained / "runs/input/train.json").read_text())["training"]["keep"] == 4
    assert cli("train", "--resume", "runs/input", "--max-iters", 60, "--keep", 1).code == 0
    assert kept() == [60]
    assert cli("train", "--resume", "runs/input", "--keep", 0).code == 2
