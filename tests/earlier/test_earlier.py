"""What an earlier version wrote is read, and gone on with, as it was.

The directories beside this file were written by gptcli 0.1.0. They stand for what users have on
their disks: never write them anew because a test here fails.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WRITTEN_AT = 1_750_000_000  # of the sources of the plan, which it remembers
DATASETS = {
    "plain": "84e70290232612c7001070893b14a6d85307ee3dc42bb2727444a907235b0239",
    "masked": "df392d3772bc9b2a4285fcc110b989b58895dcdaa3d60ab07759e33ed7f00a78",
    "bpe": "2d3864335fb4ea767a55345fcdf6f1f042daae543147f1c688ad8c4e76a6f5b4",
}
PLANNED = "329969556ed38b9f1fed32282676ad6c7cb932e757b76516fd58464ea1b9a950"
VERIFIED = {
    "plain": "2 files, 4,028 bytes",
    "masked": "6 files, 870 bytes",
    "bpe": "2 files, 1,888 bytes",
}
SOURCES = {
    "plain": ("sources/plain.txt",),
    "masked": ("sources/answers.jsonl", "--val-fraction", 0.25, "--shuffle"),
}
LOSSES = {
    "plain": 0.632440,
    "llama": 0.586949,
    "qwen3": 0.528178,
    "nanochat": 0.663718,
    "lecture": 0.593586,
    "bigram": 1.831744,
}
PARAMETERS = {
    "plain": 1288,
    "llama": 2296,
    "qwen3": 2304,
    "nanochat": 1952,
    "lecture": 1570,
    "bigram": 1156,
}
PROMPT = "Line 5"
GREEDY = {
    "plain": "Line 5: the athe ate ate 1 figs and slept.\nLine 1: the ffigs ate 1\n",
    "llama": "Line 5: the cate he ate cate ate figs ate figs and slept.\nLine 1: \n",
    "qwen3": "Line 5: the cat ate 1 figs → and slept.\nLine 1: the cat ate 1 figs\n",
    "nanochat": "Line 5: the → figs → and slept.\nLine 1: the → figs → and slept.\nLi\n",
    "lecture": "Line 5: the owl owne ate 9 figs → and slept.\nLine the 1: the owl a\n",
    "bigram": "Line 5 ate ate ate ate ate ate ate ate ate ate ate ate ate ate ate\n",
}
DRAWN = {
    "plain": "Line 52: the fow9 at fig → 6 → → → figs → figs ane 0 ate 9 pt.\nLin\n",
    "llama": "Line 5 the owne 0 4 1 at.\nLine 7he 5 4: the 9 6 → ffigs figs and s\n",
    "qwen3": "Line 53: the fin\nLin ate 9 figs → and → te 9 → ate 0 fé → → te 16:\n",
    "nanochat": "Line 50: the owl fig e and 2dogsne 4he cs figs csow.\nLé fine 1338:\n",
    "lecture": "Line 5 owner ate owl ate cafigs → and slept.\nLine og 1the fowl 6 f\n",
    "bigram": "Line 5 thpdteowl\nt41 fig te th7génd9tep9r4:85n67wxf 10→Ligslp33365\n",
}
# Loss of the validation split after 0, 10 and 20 steps of a new run.
COURSES = {
    "plain": [3.536604, 3.379898, 3.309655],
    "masked": [2.652217, 2.440767, 2.350900],
    "bpe": [5.634676, 5.289177, 5.129091],
}
TINY = (
    "--family", "gpt2", "--device", "cpu", "--precision", "float32", "--n-layer", 1,
    "--n-head", 2, "--n-embd", 8, "--block-size", 16, "--batch-size", 4, "--max-iters", 20,
    "--eval-interval", 10,
)  # fmt: skip
# What the run's metrics gain when it goes on from step 300 to 360.
LATER = [
    {"step": 310, "loss": 0.818224, "lr": 0.002926657},
    {"step": 320, "loss": 0.736832, "lr": 0.002602611},
    {"step": 330, "loss": 0.775679, "lr": 0.002346175},
    {"step": 340, "loss": 0.745407, "lr": 0.002159415},
    {"step": 350, "loss": 0.784527, "lr": 0.002043834},
    {"step": 360, "loss": 0.740594, "lr": 0.002000363},
    {"step": 360, "train_loss": 0.495189, "val_loss": 0.606381},
]


def near(expected):
    return pytest.approx(expected, rel=0, abs=1e-4)


@pytest.fixture
def earlier(cli, tmp_path, monkeypatch):
    """The command line in a directory that has all that the earlier version wrote."""
    for folder in ("data", "runs", "sources"):
        shutil.copytree(HERE / folder, tmp_path / folder)
    for source in (tmp_path / "sources").iterdir():
        os.utime(source, (WRITTEN_AT, WRITTEN_AT))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*argv: object, **given):
        done = cli(*argv, **given)
        assert done.code == 0, done.stderr
        return done

    return run


_NOT_COMPARED = ("tokens_per_second", "grad_norm")


def metrics(run: str):
    """The lines of a run's log, without its pace and what the earlier version did not log."""
    lines = Path(run, "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if name not in _NOT_COMPARED}
        for line in lines
    ]


def content(directory: str):
    files = [file for file in Path(directory).rglob("*") if file.suffix in (".bin", ".mask")]
    return {file.relative_to(directory): file.read_bytes() for file in files}


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_is_verified(earlier, name):
    said = earlier("prepare", "--verify", f"data/{name}").stdout
    assert f"data/{name} is intact: {VERIFIED[name]}" in said


def test_the_newest_dataset_is_known_by_its_record(earlier):
    assert "data/bpe" in earlier("tokenize", "Line 5: the cat").stderr
    assert "runs/bigram" in earlier("eval", "--json").stderr


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_sources_give_the_same_dataset(earlier, name):
    again = earlier("prepare", *SOURCES[name], "--out", "data/again", "--json")
    assert json.loads(again.stdout)["identity"] == DATASETS[name]
    assert content("data/again") == content(f"data/{name}")
    tokenizers = [Path(f"data/{each}/tokenizer.json").read_bytes() for each in ("again", name)]
    assert tokenizers[0] == tokenizers[1]


def test_a_tokenizer_is_reused(earlier):
    again = earlier(
        "prepare", "sources/plain.txt", "--tokenizer", "data/bpe", "--out", "data/again", "--json"
    )
    assert json.loads(again.stdout)["identity"] == DATASETS["bpe"]
    ids = earlier("tokenize", "Line 5: the café owner", "--tokenizer", "data/bpe", "--ids").stdout
    assert ids == "276 220 20 25 271 220 66 64 69 127 102 220 78 86 258 81\n"
    back = earlier("tokenize", "--decode", ids.strip(), "--tokenizer", "data/bpe").stdout
    assert back == "Line 5: the café owner"


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_is_trained_on(earlier, name):
    earlier("train", "--data", f"data/{name}", "--out", "runs/new", *TINY)
    course = [line["val_loss"] for line in metrics("runs/new") if "val_loss" in line]
    assert course == near(COURSES[name])
    record = json.loads(Path("runs/new/train.json").read_text(encoding="utf-8"))
    assert record["data"]["dataset"] == DATASETS[name]


@pytest.mark.parametrize("name", LOSSES)
def test_a_run_is_evaluated_to_the_loss_it_had(earlier, name):
    figures = json.loads(earlier("eval", f"runs/{name}", "--json").stdout)
    assert figures["data"] == "data/plain"
    assert figures["tokens"] == 201
    assert figures["loss"] == near(LOSSES[name])
    last = metrics(f"runs/{name}")[-1]
    assert last["val_loss"] == near(LOSSES[name])


@pytest.mark.parametrize("name", ["plain", "llama", "lecture", "bigram"])
def test_a_run_is_verified(earlier, name):
    said = earlier("eval", f"runs/{name}", "--verify").stdout
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "ok files 5 have the recorded size and sha256" in lines
    assert "ok data data/plain is what the run was trained on, every file undamaged" in lines
    saved = "ok saved steps 2 have every file as it was saved"
    assert (saved in lines) == (name == "plain")


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_run_has_the_parameters_it_had(earlier, name):
    counted = earlier("count-params", f"runs/{name}").stdout
    assert f"{PARAMETERS[name]:,}" in counted


@pytest.mark.parametrize("name", GREEDY)
def test_a_run_writes_what_it_wrote(earlier, name):
    sample = ("sample", f"runs/{name}", "--prompt", PROMPT, "-n", 60)
    assert earlier(*sample, "--temperature", 0).stdout == GREEDY[name]
    assert earlier(*sample, "--seed", 7).stdout == DRAWN[name]


def test_a_run_attends_as_it_did(earlier):
    done = earlier("inspect-attention", "runs/plain", "--text", PROMPT, "--json")
    heads = json.loads(done.stdout)["heads"]
    entropies = [head["metrics"]["entropy"]["value"] for head in heads]
    assert entropies == near([0.872048, 1.363262])


# The run has dropout, whose masks were drawn otherwise in that version.
_OTHER_MASKS = 0.05


def test_a_run_is_resumed_and_goes_much_the_same_way(earlier):
    before = metrics("runs/plain")
    done = earlier("train", "--resume", "runs/plain", "--max-iters", 360)
    assert "resuming runs/plain at step 300" in done.stderr
    after = metrics("runs/plain")
    assert after[: len(before)] == before
    added = after[len(before) :]
    assert len(added) == len(LATER)
    for line, expected in zip(added, LATER, strict=True):
        assert line == pytest.approx(expected, rel=_OTHER_MASKS)
    steps = sorted(step.name for step in Path("runs/plain/resume").iterdir())
    assert steps == ["step-00000300", "step-00000360"]
    figures = json.loads(earlier("eval", "runs/plain", "--json").stdout)
    assert figures["loss"] == pytest.approx(0.606381, rel=_OTHER_MASKS)


def test_a_run_is_resumed_from_the_step_before(earlier):
    before = metrics("runs/plain")
    shutil.rmtree("runs/plain/resume/step-00000300")
    done = earlier("train", "--resume", "runs/plain")
    assert "resuming runs/plain at step 150" in done.stderr
    after = metrics("runs/plain")
    assert len(after) == len(before)
    for line, expected in zip(after, before, strict=True):
        assert line == pytest.approx(expected, rel=_OTHER_MASKS)


def test_a_saved_step_is_a_model(earlier):
    figures = json.loads(earlier("eval", "runs/plain/resume/step-00000150", "--json").stdout)
    at_150 = [line for line in metrics("runs/plain") if line["step"] == 150]
    assert figures["loss"] == near(at_150[-1]["val_loss"])


def test_a_run_is_begun_with_the_weights_of_an_earlier_one(earlier):
    flags = ("--device", "cpu", "--precision", "float32", "--max-iters", 2, "--batch-size", 4)
    earlier(
        "train", "--init-from", "runs/llama", "--data", "data/plain", "--out", "runs/new", *flags
    )
    assert metrics("runs/new")[0]["val_loss"] == near(LOSSES["llama"])


def test_a_plan_is_gone_on_with(earlier):
    unfinished = earlier("prepare", "--out", "data/planned", "--shard", "0/2", "--json")
    assert json.loads(unfinished.stdout)["parts"] == 0
    rest = earlier("prepare", "--out", "data/planned", "--shard", "1/2", "--json")
    assert json.loads(rest.stdout)["parts"] == 1
    merged = earlier("prepare", "--out", "data/planned", "--merge", "--json")
    assert json.loads(merged.stdout)["identity"] == PLANNED
    assert not Path("data/planned.plan").exists()
    earlier("prepare", "--verify", "data/planned")
    earlier("prepare", "sources/first.txt", "sources/second.txt", "--out", "data/alone")
    assert content("data/planned") == content("data/alone")


def test_a_plan_of_a_source_that_changed_is_refused(earlier, cli):
    os.utime("sources/second.txt")
    done = cli("prepare", "--out", "data/planned", "--shard", "1/2")
    assert done.code == 3
    assert "second.txt changed" in done.stderr
