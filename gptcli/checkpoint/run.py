"""train.json: the whole configuration of a run, and the chain of hashes from text to weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gptcli.checkpoint.config_json import read_small_json
from gptcli.config.model import ModelConfig
from gptcli.config.objective import LM, ObjectiveConfig, objective_fields, objective_from
from gptcli.config.training import TrainConfig
from gptcli.errors import CheckpointError, UsageError
from gptcli.runtime.files import write_json
from gptcli.runtime.hashing import CHECKSUM, is_as_written, with_checksum
from gptcli.runtime.outputs import timestamp

RUNS = Path("runs")
RECORD_FILE = "train.json"
MANIFEST_FILE = "manifest.json"
RESUME_FOLDER = "resume"
STATE_FILE = "state.json"  # of a resume step
RUN_FORMAT = "gptcli.run/1"
# Of another objective than lm: who knows none would go on with such a run as if it were plain.
OBJECTIVE_FORMAT = "gptcli.run/2"
RUN_FORMATS = (RUN_FORMAT, OBJECTIVE_FORMAT)


@dataclass(frozen=True)
class DataReference:
    """The directory of a run's dataset, and the hashes that identify its content."""

    directory: str
    dataset: str
    tokenizer: str
    source: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name in ("directory", "dataset", "tokenizer"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"data.{name} is not a string")
        if not isinstance(self.source, Mapping):
            raise TypeError("data.source is not an object")


@dataclass(frozen=True)
class Origin:
    """A checkpoint that a run began with, or was rewarded by, and the sha256 of its weights."""

    checkpoint: str
    weights: str

    def __post_init__(self) -> None:
        for name in ("checkpoint", "weights"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"{name} of a checkpoint is not a string")


@dataclass(frozen=True)
class RunRecord:
    """All that ``--resume`` needs besides the saved tensors.

    ``time_budget`` are the seconds from which the number of iterations followed, and ``repeat``
    is the command that trains the same weights by that number. ``reward`` is the reward model
    of a policy, if it has one.
    """

    created: str
    version: str
    preset: str | None
    model: ModelConfig
    training: TrainConfig
    data: DataReference
    init_from: Origin | None = None
    time_budget: float | None = None
    repeat: str | None = None
    objective: ObjectiveConfig = LM
    reward: Origin | None = None

    def to_json(self) -> dict[str, Any]:
        """The content of train.json; that of lm is what it was before there were others."""
        values = asdict(self)
        if self.objective == LM:
            del values["objective"], values["reward"]
            return {"format": RUN_FORMAT, **values}
        return {
            "format": OBJECTIVE_FORMAT,
            **values,
            "objective": objective_fields(self.objective),
        }


def write_record(directory: Path, record: RunRecord) -> None:
    """Write train.json."""
    write_json(directory / RECORD_FILE, with_checksum(record.to_json()))


def change_plan(directory: Path, training: TrainConfig, repeat: str | None) -> None:
    """Replace the training values and the command in train.json; all else stays as it is."""
    _replace_fields(directory, training=asdict(training), repeat=repeat)


def mark_saved(directory: Path) -> None:
    """Note in train.json that the run was worked on now, by which the newest run is found."""
    _replace_fields(directory, saved=timestamp())


def _replace_fields(directory: Path, **values: object) -> None:
    file = directory / RECORD_FILE
    before = read_small_json(file)
    now = {**before, **values}
    write_json(file, with_checksum(now) if is_as_written(before) else now)


def change_of_record(directory: Path) -> str | None:
    """What to say where train.json is not as gptcli wrote it last; None where it is."""
    file = directory / RECORD_FILE
    if is_as_written(read_small_json(file)):
        return None
    return (
        f"{file} was changed since it was written: put it back as it was, or take "
        f'"{CHECKSUM}" out of it to keep the change'
    )


def check_record(directory: Path) -> None:
    """CheckpointError where train.json is not as gptcli wrote it last."""
    if changed := change_of_record(directory):
        raise CheckpointError(changed)


def read_record(directory: Path) -> RunRecord:
    """Read train.json; CheckpointError where it does not hold what it should."""
    file = directory / RECORD_FILE
    raw = read_small_json(file)
    if raw.get("format") not in RUN_FORMATS:
        raise CheckpointError(
            f"{file} cannot be used: it has format {raw.get('format')!r:.40}, not {RUN_FORMAT!r}"
        )
    try:
        record = RunRecord(
            created=str(raw["created"]),
            version=str(raw["version"]),
            preset=raw["preset"],
            model=ModelConfig.from_fields(_object(raw["model"])),
            training=_build(TrainConfig, raw["training"]),
            data=_build(DataReference, raw["data"]),
            init_from=_origin(raw, "init_from"),
            time_budget=raw.get("time_budget"),
            repeat=raw.get("repeat"),
            objective=objective_from(_object(raw["objective"])) if "objective" in raw else LM,
            reward=_origin(raw, "reward"),
        )
    except (KeyError, TypeError, UsageError) as error:
        raise CheckpointError(f"{file} cannot be used: {error}") from error
    if record.objective != LM and record.init_from is None:
        raise CheckpointError(
            f"{file} cannot be used: a run of --objective {record.objective.name} has 'init_from'"
        )
    return record


def _origin(raw: Mapping[str, Any], name: str) -> Origin | None:
    return _build(Origin, raw[name]) if raw.get(name) else None


def _object(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise TypeError(f"{raw!r:.40} is not an object")
    return raw


def _build(kind: type[Any], raw: Any) -> Any:
    raw = _object(raw)
    known = {field.name for field in fields(kind)}
    unknown = sorted(raw.keys() - known)
    if unknown:
        raise TypeError(f"unknown field {unknown[0]!r}")
    return kind(**raw)
