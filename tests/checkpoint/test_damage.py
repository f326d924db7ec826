"""A run's manifest is asked at every open, and no save vouches for what it did not write."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from gptcli.checkpoint import publish
from gptcli.checkpoint.manifest import check_published, unrecorded, write_manifest
from gptcli.checkpoint.resume import Progress, Snapshot, save_step
from gptcli.checkpoint.run import MANIFEST_FILE
from gptcli.checkpoint.tensors import save_weights
from gptcli.checkpoint.weights_step import reason_without_step, weights_step
from gptcli.errors import CheckpointError
from gptcli.generation.loaded_model import load_model

FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")


@pytest.fixture
def run(make_model, tokenizer, save, tmp_path: Path):
    """A run as it is after its first save, and what publishes its weights again."""
    model = make_model()
    directory = save(model, tokenizer, tmp_path / "a run")
    write_manifest(directory)
    weights = dict(model.named_parameters())
    save_step(directory, Snapshot(model.config, Progress(), weights, {}), tokenizer, keep=2)

    def publishing(step: int = 7, scale: float = 1.0) -> None:
        new = {name: scale * weight.detach() for name, weight in weights.items()}
        publish.publish_weights(directory, new, model.config, step)

    return directory, publishing


def change(file: Path) -> None:
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "n_head": 4}, indent=2))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [change, Path.unlink])
def test_what_stands_beside_the_weights_is_checked_and_the_advice_restores_it(
    run, name: str, damage
) -> None:
    directory, save = run
    damage(directory / name)
    save()
    with pytest.raises(CheckpointError, match="not what was saved") as refused:
        load_model(directory, "cpu")
    with pytest.raises(CheckpointError):
        check_published(directory)
    undo = str(refused.value).partition("undo that, ")[2].partition("; if")[0]
    subprocess.run(shlex.split(undo), check=True)
    assert load_model(directory, "cpu").model.config.n_head == 2
    assert check_published(directory) == 5


def test_a_change_on_purpose_is_kept_as_advised_and_never_vouched_for(run) -> None:
    directory, save = run
    change(directory / "config.json")
    with pytest.raises(CheckpointError) as refused:
        load_model(directory, "cpu")
    manifest = shlex.split(str(refused.value).partition("remove ")[2].partition(" and ")[0])
    Path(*manifest).unlink()
    save()
    assert load_model(directory, "cpu").model.config.n_head == 4
    assert check_published(directory) == 1
    assert set(unrecorded(directory)) == set(FILES)


def test_a_crash_before_new_weights_are_in_place_vouches_for_the_old_ones_alone(
    run, monkeypatch
) -> None:
    directory, save = run
    save(7)
    weights, manifest = directory / "model.safetensors", directory / MANIFEST_FILE

    def crash(path: Path, *new, announce) -> None:
        save_weights(path.with_name("new"), *new, announce)
        raise KeyboardInterrupt

    def killed(step: int) -> dict:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(publish, "save_weights", crash)
            save(step, scale=2.0)
        return json.loads(manifest.read_text())

    for step in (8, 9):
        assert killed(step)["replaced_step"] == 7
        assert check_published(directory) == 5
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert killed(10)["replaced"] is None
    with pytest.raises(CheckpointError, match="not what was saved"):
        check_published(directory)


@pytest.mark.parametrize("content", ["{}", '{"manifest_version": 3}', '{"files": ["a.js"]}'])
def test_a_manifest_of_another_program_is_left_alone(run, content: str) -> None:
    directory, _ = run
    (directory / MANIFEST_FILE).write_text(content)
    change(directory / "config.json")
    assert load_model(directory, "cpu").model.config.n_head == 4


@pytest.mark.parametrize(
    "content",
    ['{"files"', '{"files": 5}', '{"files": {"../x": {}}}', '{"files": {"config.json": 1}}'],
)
def test_a_damaged_manifest_is_refused_with_the_way_on(run, content) -> None:
    directory, _ = run
    (directory / MANIFEST_FILE).write_text(content)
    with pytest.raises(
        CheckpointError, match=r"manifest\.json cannot be used.*, or remove"
    ) as said:
        load_model(directory, "cpu")
    Path(shlex.split(str(said.value).split("remove ")[1])[0]).unlink()
    load_model(directory, "cpu")


@pytest.mark.parametrize("content", ["{}", "rubbish", None])
def test_a_record_that_cannot_be_used_is_told_of(run, content) -> None:
    directory, _ = run
    if content is None:
        (directory / "train.json").unlink(missing_ok=True)
        assert reason_without_step(directory) is None
        return
    (directory / "train.json").write_text(content)
    said = reason_without_step(directory)
    assert weights_step(directory) is None and said is not None
    assert said.startswith(f"{directory / 'train.json'} cannot be used: ")
