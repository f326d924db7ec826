"""Files that are cut short or changed by a bit: noticed, and never taken for what they were."""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gptcli.checkpoint.manifest import check_published
from gptcli.checkpoint.resume import load_newest_step, resume_steps
from gptcli.checkpoint.run import check_record, read_record
from gptcli.data.dataset import Dataset
from gptcli.data.preparation.verify import verify_dataset
from gptcli.errors import GptcliError
from gptcli.generation.loaded_model import load_model
from tests.faults.small_run import small_run
from tests.faults.tally import Tally


def cut_shards(folder: Path, tries: int) -> Tally:
    """Open a dataset whose shards were cut to every length, or to ``tries`` lengths."""
    tally, data = Tally(), small_run(folder, steps=2, interval=1).folder / "data" / "text"
    shards = sorted(data.rglob("*.bin"))
    for shard in shards:
        whole = shard.read_bytes()
        for length in _spread(len(whole), tries // len(shards)):
            tally.tries += 1
            shard.write_bytes(whole[:length])
            if (said := _refusal(lambda: Dataset.open(data))) is None or str(shard) not in said:
                tally.fail(f"{shard.name} cut to {length} bytes: {said or 'not noticed'}")
        shard.write_bytes(whole)
    return tally


def flips_in_a_save(folder: Path, tries: int) -> Tally:
    """Change a bit of the newest save: the one before is taken, aloud."""
    run, tally = small_run(folder, steps=2, interval=1).folder / "runs" / "text", Tally()
    newest = resume_steps(run)[-1]
    for flip in _flips(_files(newest), tries):
        tally.tries += 1
        with flip:
            snapshot, problems = load_newest_step(run)
        if snapshot.progress.step != 1 or not any(newest.name in said for said in problems):
            tally.lose(f"{flip}: step {snapshot.progress.step}, {problems}")
    assert load_newest_step(run)[0].progress.step == 2, "each bit was put back"
    return tally


def flips_in_a_run(folder: Path, tries: int) -> Tally:
    """Change a bit of what a run answers with: refused, or the same model all the same."""
    run = small_run(folder, steps=2, interval=1).folder / "runs" / "text"

    def read() -> Any:
        check_published(run)
        loaded = load_model(run, "cpu")
        weights = [weight.tolist() for weight in loaded.model.parameters()]
        return weights, loaded.model.config, loaded.tokenizer.identity, loaded.end_ids

    beside = {"metrics.jsonl", "loss.svg", "train.json"}
    files = [file for file in _files(run) if file.name not in beside]
    return _unnoticed(read, _flips(files, tries))


def flips_in_a_record(folder: Path, tries: int) -> Tally:
    """Change a bit of train.json: refused, or the same record."""
    run = small_run(folder, steps=2, interval=1).folder / "runs" / "text"

    def read() -> Any:
        check_record(run)
        return read_record(run)

    return _unnoticed(read, _flips([run / "train.json"], tries))


def flips_in_a_dataset(folder: Path, tries: int) -> Tally:
    """Change a bit of a dataset: refused by a check of all of it, or the same dataset."""
    data = small_run(folder, steps=2, interval=1).folder / "data" / "text"

    def read() -> Any:
        verify_dataset(data)
        return Dataset.open(data).record

    return _unnoticed(read, _flips(_files(data), tries))


def _unnoticed(read: Callable[[], Any], flips: Iterator["_Flip"]) -> Tally:
    """Count as wrong each damage after which ``read`` gives another value, or no error of ours."""
    tally, right = Tally(), read()
    for flip in flips:
        tally.tries += 1
        try:
            with flip:
                found = read()
        except GptcliError:
            continue
        except Exception as error:
            tally.fail(f"{flip}: {type(error).__name__}: {error}")
            continue
        if found != right:
            tally.fail(f"{flip}: not noticed")
    return tally


def _refusal(work: Callable[[], object]) -> str | None:
    """What the error says that ``work`` raises; None where there is none."""
    try:
        work()
    except GptcliError as error:
        return str(error)
    return None


class _Flip:
    """One bit of a file, changed while the block runs."""

    def __init__(self, file: Path, offset: int, bit: int) -> None:
        self.file, self._offset, self._bit = file, offset, bit

    def __enter__(self) -> None:
        self._toggle()

    def __exit__(self, *error: object) -> None:
        self._toggle()

    def _toggle(self) -> None:
        with self.file.open("r+b") as file:
            file.seek(self._offset)
            (byte,) = file.read(1)
            file.seek(self._offset)
            file.write(bytes([byte ^ 1 << self._bit]))

    def __str__(self) -> str:
        return f"bit {self._bit} of byte {self._offset} of {self.file.name}"


def _files(directory: Path) -> list[Path]:
    """The files of a directory; of a run without its saves, which have a case of their own."""
    found = [file for file in sorted(directory.rglob("*")) if file.is_file()]
    return [file for file in found if "resume" not in file.relative_to(directory).parts]


def _flips(files: Sequence[Path], tries: int) -> Iterator[_Flip]:
    """As many for each file, in every region of it."""
    chance = random.Random(1)
    for file in files:
        for offset in _spread(file.stat().st_size, -(-tries // len(files))):
            yield _Flip(file, offset, chance.randrange(8))


def _spread(count: int, tries: int) -> list[int]:
    """Up to ``tries`` numbers below ``count``, evenly."""
    return sorted({number * count // tries for number in range(tries)})
