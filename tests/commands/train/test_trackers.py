"""Trackers get the figures of metrics.jsonl, and a resumed run goes on with its curves."""

import json
import sys
from pathlib import Path

import pytest

from gptcli.errors import UsageError
from gptcli.training.trackers import Trackers, check_trackers


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_tensorboard_shows_a_resumed_run_as_one_curve(tmp_path: Path) -> None:
    before = Trackers(("tensorboard",))
    before.log(0, {"train_loss": 4.0, "val_loss": None})
    before.log(10, {"loss": 3.0, "lr": 0.5, "grad_norm": 1.5, "tokens_per_second": 100})
    before.pass_on(tmp_path)
    before.log(20, {"loss": 9.0})
    before.pass_on(tmp_path)
    before.close()
    after = Trackers(("tensorboard",), first=10)
    after.log(20, {"loss": 2.0})
    after.pass_on(tmp_path)
    after.close()
    found = scalars(tmp_path)
    assert found["loss"] == [(10, 3.0), (20, 2.0)]
    assert found["train_loss"] == [(0, 4.0)]
    assert set(found) == {"train_loss", "loss", "lr", "grad_norm", "tokens_per_second"}


def test_nothing_is_written_before_the_run_is_in_its_place(tmp_path: Path) -> None:
    waiting = Trackers(("tensorboard",))
    waiting.log(0, {"train_loss": 4.0})
    waiting.close()
    assert not list(tmp_path.iterdir())


def test_train_with_tensorboard_logs_the_figures_of_metrics_jsonl(cli, prepared, tiny) -> None:
    flags = ("--max-iters", 20, "--eval-interval", 10, "--tensorboard")
    assert cli("train", *tiny, *flags).code == 0
    done = cli("train", "--resume", "runs/input", "--max-iters", 30, "--tensorboard")
    assert done.code == 0, done.stderr
    run = prepared / "runs/input"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = scalars(run)
    for name in ("loss", "val_loss", "train_loss", "lr", "grad_norm", "tokens_per_second"):
        wanted = [(line["step"], line[name]) for line in lines if name in line]
        assert found[name] == [(step, pytest.approx(value)) for step, value in wanted], name
    assert cli("train", *tiny, *flags, "--out", "runs/input", "--overwrite").code == 0


def test_wandb_keeps_a_run_offline_and_prints_nothing(cli, prepared, tiny, offline) -> None:
    done = cli("train", *tiny, "--max-iters", 10, "--eval-interval", 10, "--wandb")
    assert done.code == 0, done.stderr
    assert "wandb" not in done.stderr + done.stdout
    (folder,) = (prepared / "runs/input/wandb").glob("offline-run-*")
    assert next(folder.glob("*.wandb")).stat().st_size > 0


@pytest.mark.parametrize(
    ("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")]
)
def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch, name, module) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        UsageError, match=rf"--{name} needs {name}: .*pip install 'gptcli\[track\]'"
    ):
        check_trackers((name,))


def test_wandb_does_not_ask_who_is_there(monkeypatch, offline) -> None:
    import wandb

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr(type(wandb.api), "api_key", None)
    with pytest.raises(UsageError, match="WANDB_MODE=offline"):
        check_trackers(("wandb",))
