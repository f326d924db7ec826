"""``train --objective``: what each objective writes and shows, how it goes on, what is refused."""

import json
import re
import shlex
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from gptcli.checkpoint.run import read_record
from gptcli.commands.train import run
from gptcli.commands.train.command import TrainRequest
from gptcli.commands.train.objective_choice import objective_resolver
from gptcli.config.objective import GroupPolicy, PreferenceOptimization, ProximalPolicy
from gptcli.data.dataset import Dataset
from gptcli.data.questions import pairs_of
from gptcli.errors import UsageError
from gptcli.runtime.world import World
from gptcli.training import objective_memory
from gptcli.training.plot import draw_policy
from gptcli.training.starting_point import StartingPoint

PAIRS = [
    {"prompt": f"{a}+{b}=", "chosen": str(a + b), "rejected": str(a + b + 1)}
    for a in range(10)
    for b in range(12)
]
BASE = ("--family", "llama", "--n-layer", 1, "--n-head", 2, "--n-embd", 16, "--max-iters", 4)
SHORT = {
    "reward": ("--batch-size", 8),
    "dpo": ("--batch-size", 8),
    "ppo": ("--batch-size", 8, "--reward", "runs/reward"),
    "grpo": ("--batch-size", 8, "--group-size", 4),
}


@pytest.fixture(autouse=True)
def no_time_is_measured_or_drawn(monkeypatch) -> None:
    monkeypatch.setattr("gptcli.training.estimate._LEAST_SECONDS", 0.0)
    for name in ("draw_loss", "draw_policy"):
        monkeypatch.setattr(f"gptcli.training.loop.{name}", lambda *given: None)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("objectives") / "kept"


@pytest.fixture
def place(cli, kept: Path, tmp_path: Path) -> Path:
    """A directory with pairs of answers, and a run and a reward model that were begun with them."""
    if kept.exists():
        shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
        return tmp_path
    lines = (json.dumps(pair) + "\n" for pair in PAIRS)
    (tmp_path / "pairs.jsonl").write_text("".join(lines))
    commands = (
        ("prepare", "pairs.jsonl", "--out", "data/pairs"),
        ("train", *BASE, "--out", "runs/base"),
        objective("reward", "--max-iters", 2),
    )
    for command in commands:
        done = cli(*command)
        assert done.code == 0, done.stderr
    shutil.copytree(tmp_path, kept)
    return tmp_path


def objective(name: str, *flags: object) -> tuple[object, ...]:
    given = ("--init-from", "runs/base", "--data", "data/pairs", "--out", f"runs/{name}")
    return ("train", "--objective", name, *SHORT.get(name, ()), *given, *flags)


def lines_of(run: Path, file: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / file).read_text().splitlines()]


def test_what_is_learnt_stands_in_the_run_and_is_shown(cli, place: Path) -> None:
    shown = {
        "reward": "val loss 0.6931, accuracy 0.5000, margin 0.0000; train loss 0.6931",
        "dpo": "chosen reward 0.0000, rejected reward 0.0000; train loss 0.6931",
        "ppo": "val reward ",
        "grpo": "kl 0.0000",
    }
    records = {}
    for name, line in shown.items():
        done = cli(
            *objective(name, "--max-iters", 2, "--eval-interval", 1, "--overwrite", "--json")
        )
        assert done.code == 0, done.stderr
        (first,) = [one for one in done.stderr.splitlines() if one.startswith("step 0:")]
        assert line in first
        document = json.loads(done.stdout)
        assert document["schema"] == "gptcli.train/1"
        records[name] = json.loads((place / "runs" / name / "train.json").read_text())
        best = "best_reward" if name in ("ppo", "grpo") else "best_loss"
        last = lines_of(place / "runs" / name, "metrics.jsonl")[-1]
        assert document[best] <= 1.0
        assert last["step"] == 2
    assert {one["format"] for one in records.values()} == {"gptcli.run/2"}
    assert records["dpo"]["objective"] == {"name": "dpo", "beta": 0.1}
    assert records["ppo"]["objective"]["reward"] == "runs/reward"
    assert records["ppo"]["reward"]["checkpoint"] == "runs/reward"
    assert records["grpo"]["reward"] is None
    assert records["grpo"]["training"]["weight_decay"] == 0
    assert records["reward"]["model"]["score"] is True
    assert json.loads((place / "runs/base/train.json").read_text())["format"] == "gptcli.run/1"
    assert isinstance(read_record(place / "runs/grpo").objective, GroupPolicy)


def test_each_stage_names_commands_that_go_on_with_it(cli, place: Path) -> None:
    def advised(*arguments: object) -> list[str]:
        done = cli(*arguments)
        assert done.code == 0, done.stderr
        return done.stderr.splitlines()[-1].removeprefix("next: ").split("; ")

    short = ("--max-iters", 1, "--batch-size", 8)
    (reward,) = advised("prepare", "pairs.jsonl", "--tokenizer", "runs/base", "--overwrite")
    assert reward == "gptcli train --objective reward --init-from runs/base"
    measure, policy = advised(*shlex.split(reward)[1:], *short)
    assert policy == (
        "gptcli train --objective ppo --reward runs/pairs --data data/pairs --init-from runs/base"
    )
    judge, sample = advised(*shlex.split(policy)[1:], *short)
    assert sample == 'gptcli sample runs/pairs-2 --prompt "..."'
    for command in (measure, judge):
        assert cli(*shlex.split(command)[1:]).code == 0


def test_examples_of_answers_are_kept_and_cut_back_on_resuming(
    cli, place: Path, monkeypatch
) -> None:
    monkeypatch.setattr("gptcli.training.loop.draw_policy", draw_policy)
    assert cli(*objective("grpo", "--max-iters", 2, "--eval-interval", 2)).code == 0
    run = place / "runs/grpo"
    assert "KL to the reference" in (run / "loss.svg").read_text()
    answers = lines_of(run, "answers.jsonl")
    assert [one["step"] for one in answers] == [0] * 8 + [2] * 8
    assert set(answers[0]) == {"step", "question", "answer", "reward", "reference"}
    metrics = lines_of(run, "metrics.jsonl")
    for file, line in (("answers.jsonl", answers[-1]), ("metrics.jsonl", metrics[-1])):
        with (run / file).open("a") as later:  # as a process that is killed before its save
            later.write(json.dumps({**line, "step": 3}) + "\n" + '{"step": 4, ')
    assert cli("train", "--resume", "runs/grpo", "--max-iters", 3).code == 0
    assert [one["step"] for one in lines_of(run, "answers.jsonl")] == [0] * 8 + [2] * 8 + [3] * 8
    names = [name for one in lines_of(run, "metrics.jsonl") for name in one if "reward" in name]
    assert names.count("val_reward") == 3


@pytest.mark.parametrize("name", ["dpo", "ppo"])
def test_a_companion_that_is_gone_or_has_changed_is_named(cli, place: Path, name: str) -> None:
    assert cli(*objective(name, "--max-iters", 1)).code == 0
    companion = Path("runs/base" if name == "dpo" else "runs/reward")
    record = read_record(place / "runs" / name)
    origin = record.init_from if name == "dpo" else record.reward
    assert origin is not None
    weights = place / companion / "model.safetensors"
    as_it_was = weights.read_bytes()
    weights.write_bytes(as_it_was[:-4] + b"\0\0\0\x3f")
    changed = cli("train", "--resume", f"runs/{name}", "--max-iters", 2)
    assert changed.code == 4
    assert "has changed" in changed.stderr
    assert origin.weights in changed.stderr
    shutil.move(place / companion, place / "elsewhere")
    gone = cli("train", "--resume", f"runs/{name}", "--max-iters", 2)
    assert gone.code == 4
    assert origin.weights in gone.stderr
    assert "put it back" in gone.stderr
    shutil.move(place / "elsewhere", place / companion)
    weights.write_bytes(as_it_was)
    assert cli("train", "--resume", f"runs/{name}", "--max-iters", 2).code == 0


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--objective", "dop"), "did you mean dpo?"),
        (("--objective", "dpo"), "needs --init-from"),
        (("--objective", "dpo", "--preset", "gpt2"), "the model is that of --init-from"),
        (("--beta", 0.1), "--beta 0.1 is a flag of --objective dpo, not of lm"),
        (objective("dpo", "--kl-coef", 0.1), "a flag of --objective ppo or --objective grpo"),
        (objective("dpo", "--beta", 0), "--beta must be greater than 0"),
        (objective("dpo", "--n-layer", 2), "the model is that of --init-from"),
        (objective("dpo", "--dropout", 0.1), "the model is that of --init-from"),
        (objective("dpo", "--optimizer", "muon"), "AdamW trains it"),
        (objective("dpo", "--compile", "on"), "it is not compiled"),
        (objective("grpo", "--precision", "bfloat16"), "the policy that writes"),
        (objective("grpo", "--group-size", 1), "--group-size must be at least 2"),
        (objective("grpo", "--group-size", 3), "does not divide the 8 answers"),
        (objective("grpo", "--reward", "exakt"), "did you mean exact?"),
        (objective("grpo", "--reward", "runs/base"), "is a language model"),
        (objective("grpo", "--max-new-tokens", 30), "at most 7 fit"),
        (objective("ppo", "--gae-lambda", 1.5), "--gae-lambda 1.5 is above 1"),
        (objective("ppo", "--init-from", "runs/reward"), "is a reward model, which scores"),
        (objective("lm", "--init-from", "runs/reward"), "is a reward model, which scores"),
        (("--objective", "ppo", "--init-from", "runs/base"), "ppo needs --reward"),
        (("--resume", "runs/base", "--objective", "dpo"), "--objective cannot change"),
    ],
)
def test_what_an_objective_cannot_have_is_refused(cli, place: Path, flags, says: str) -> None:
    done = cli(*(flags if flags[0] == "train" else ("train", *flags)))
    assert done.code == 2, done.stderr
    assert says in done.stderr
    assert not (place / "runs/dpo").exists()


def test_data_of_another_kind_are_refused_with_the_command_that_makes_them(
    cli, place: Path
) -> None:
    (place / "plain.txt").write_text("1+1=2+12+3=45+6+7=89+0" * 30)
    assert cli("prepare", "plain.txt", "--tokenizer", "runs/base").code == 0
    for name, way in (("dpo", "prepare preferences"), ("grpo", "prepare addition")):
        done = cli(*objective(name, "--data", "data/plain"))
        assert done.code == 2
        assert way in done.stderr


def test_questions_of_which_none_fits_are_refused(cli, place: Path) -> None:
    lines = (
        json.dumps({"prompt": "+".join("1" * n) + "=", "completion": str(n)}) for n in range(6, 26)
    )
    (place / "long.jsonl").write_text("\n".join(lines))
    assert cli("prepare", "long.jsonl", "--tokenizer", "runs/base").code == 0
    for room in ((), ("--max-new-tokens", 1)):
        done = cli(*objective("grpo", "--data", "data/long", *room))
        assert done.code == 3, done.stderr
        assert "no question fits: the shortest question (" in done.stderr
        assert "more than the context of" in done.stderr


def test_a_device_without_room_for_all_models_is_named(cli, place: Path, monkeypatch) -> None:
    monkeypatch.setattr(objective_memory, "free_memory", lambda device: 100_000)
    done = cli(*objective("ppo"))
    assert done.code == 7
    assert "(16 bytes each)" in done.stderr
    assert "(4 bytes each)" in done.stderr


def test_a_step_that_diverges_names_what_is_not_finite_and_saves_nothing(cli, place: Path) -> None:
    wild = ("--max-iters", 8, "--lr", 1e30, "--warmup-iters", 0, "--grad-clip", 0)
    for name in ("reward", "dpo", "ppo"):
        done = cli(*objective(name, *wild, "--overwrite"))
        assert done.code == 6, (name, done.stderr)
        assert re.search(r"diverged at step \d+ \(.+\); what was saved", done.stderr)
        for saved in place.glob(f"runs/{name}/**/*.safetensors"):
            assert all(bool(one.isfinite().all()) for one in load_file(saved).values())


def test_a_deterministic_run_is_told_its_steps_and_not_its_time(cli, place: Path) -> None:
    done = cli(*objective("dpo", "--deterministic", "--time-budget", "10s"))
    assert done.code == 2
    assert "--deterministic needs --max-iters" in done.stderr


def test_a_dry_run_counts_pairs_and_rollouts(cli, place: Path) -> None:
    counted = {}
    for name in ("dpo", "grpo"):
        done = cli(*objective(name, "--dry-run", "--json"))
        assert done.code == 0, done.stderr
        counted[name] = json.loads(done.stdout)
    n_pairs = len(pairs_of(Dataset.open(place / "data/pairs").train))
    assert counted["dpo"]["pairs_per_iteration"] == counted["grpo"]["rollouts_per_iteration"] == 8
    assert counted["dpo"]["iterations"] == -(-n_pairs // 8)
    assert counted["grpo"]["epochs"] == pytest.approx(200 * 2 / n_pairs, abs=0.01)
    own, reference = counted["dpo"]["parameters"], counted["dpo"]["parameters"]
    assert counted["dpo"]["memory"]["weights"] == pytest.approx(4 * (own + reference), rel=0.01)


def test_resume_auto_begins_and_goes_on(cli, place: Path) -> None:
    command = objective("dpo", "--max-iters", 2)
    assert cli(*command, "--resume", "auto").code == 0
    more = cli(*objective("dpo", "--max-iters", 3), "--resume", "auto")
    assert more.code == 0, more.stderr
    assert "resuming runs/dpo at step 2" in more.stderr
    other = cli(*command, "--beta", 0.2, "--resume", "auto")
    assert other.code == 2
    assert "was begun with --beta 0.1 instead of --beta 0.2" in other.stderr
    assert read_record(place / "runs/dpo").objective == PreferenceOptimization()


def test_an_interrupted_policy_ends_as_one_that_was_not(cli, place: Path) -> None:
    done = cli(*objective("ppo")[:-2], "--verify-resume", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["is_exact"] is True


def test_a_time_may_be_kept_and_the_command_repeats_the_run(cli, place: Path) -> None:
    done = cli(*objective("ppo", "--time-budget", "600s", "--dry-run", "--json"))
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["iterations"] > 0
    assert ProximalPolicy("exact", 8).missing_eos_penalty == 1


def test_several_processes_do_not_train_a_policy(place: Path, monkeypatch) -> None:
    monkeypatch.chdir(place)
    request = TrainRequest(objective="grpo", init_from=Path("runs/base"))
    start, dataset = StartingPoint.at(Path("runs/base")), Dataset.open(Path("data/pairs"))
    assert objective_resolver(request, dataset, start, World()) is not None
    with pytest.raises(UsageError, match="by one process: run it without torchrun"):
        objective_resolver(request, dataset, start, World(0, 2))


def test_nor_do_they_go_on_with_one(cli, place: Path, monkeypatch) -> None:
    assert cli(*objective("grpo", "--max-iters", 1)).code == 0
    monkeypatch.setattr(run, "joined", lambda kind: nullcontext(World(0, 2)))
    done = cli("train", "--resume", "runs/grpo", "--max-iters", 2)
    assert done.code == 2
    assert "by one process: run it without torchrun" in done.stderr


def test_questions_fit_into_the_context_of_the_reward_model_too(cli, place: Path) -> None:
    data = ("--data", "data/pairs")
    assert cli("train", *BASE, "--block-size", 7, *data, "--out", "runs/narrow").code == 0
    begin = ("--init-from", "runs/narrow", "--max-iters", 1)
    reward = ("--out", "runs/short", "--max-iters", 1)
    assert cli(*objective("reward"), *begin, *reward).code == 0
    done = cli(*objective("grpo"), "--reward", "runs/short", "--max-iters", 1)
    assert done.code == 0, done.stderr
    assert "left out: they do not fit into the context of 7" in done.stderr
    done = cli("train", "--resume", "runs/grpo", "--max-iters", 2)
    assert done.code == 0, done.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda found: found.update(init_from=None), "has 'init_from'"),
        (lambda found: found["model"].update(score=True), "differ in score"),
        (lambda found: found["objective"].update(name="none"), "--objective none is unknown"),
        (lambda found: found["objective"].update(beta="a"), "--beta must be a finite number"),
    ],
)
def test_a_record_that_was_changed_by_hand_is_refused(cli, place: Path, change, says) -> None:
    assert cli(*objective("dpo", "--max-iters", 1, "--overwrite")).code == 0
    file = place / "runs/dpo/train.json"
    found = json.loads(file.read_text())
    change(found)
    file.write_text(json.dumps(found))
    done = cli("train", "--resume", "runs/dpo", "--max-iters", 2)
    assert (done.code, says in done.stderr) == (4, True), done.stderr


@pytest.mark.parametrize(("name", "out"), [("dpo", "runs/base"), ("ppo", "runs/reward")])
def test_a_run_does_not_replace_a_model_that_it_needs_again(cli, place: Path, name, out) -> None:
    before = (place / out / "model.safetensors").read_bytes()
    done = cli(*objective(name, "--max-iters", 1, "--overwrite", "--out", out))
    assert (done.code, "choose another --out" in done.stderr) == (2, True), done.stderr
    assert (place / out / "model.safetensors").read_bytes() == before


def test_a_reward_model_that_is_damaged_is_named_and_the_policy_is_not_blamed(
    cli, place: Path
) -> None:
    file = place / "runs/reward/model.safetensors"
    weights = load_file(file)
    weights["score.weight"][:] = float("nan")
    save_file(weights, file, metadata={"format": "pt"})
    done = cli(*objective("ppo", "--max-iters", 1, "--out", "runs/other"))
    assert done.code == 4, done.stderr
    assert "runs/reward: tensor score.weight has values that are not finite" in done.stderr
    assert not (place / "runs/other").exists()
