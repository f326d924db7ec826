"""What an objective finds in a dataset: pairs of answers, or questions."""

from pathlib import Path

from gptcli.checkpoint.config_json import read_model_config
from gptcli.config.checks import counted
from gptcli.config.objective import REWARD_RULES, ObjectiveKind, learns_from_rewards
from gptcli.data.dataset import Dataset
from gptcli.data.questions import Questions, pairs_of, questions_of
from gptcli.errors import DataError, UsageError
from gptcli.training.defaults import Material


def material_of(
    kind: ObjectiveKind, dataset: Dataset, context: int, max_new_tokens: int | None
) -> Material:
    """Count what fits into the context of the train split, for another objective than lm.

    UsageError where the dataset is of another kind, or an answer has no room; DataError where
    nothing fits.
    """
    if learns_from_rewards(kind):
        return _of_questions(kind, dataset, context, max_new_tokens)
    place = dataset.directory.as_posix()
    if not dataset.record.pairs:
        raise UsageError(
            f"--objective {kind.name} needs pairs of answers, and {place} has none: prepare "
            "records with prompt, chosen and rejected, or try gptcli prepare preferences"
        )
    found = pairs_of(dataset.train)
    fitting = found.fitting(context)
    if not len(fitting):
        raise DataError(
            f"no pair of {place} fits into a context of {context:,} tokens: prepare shorter ones, "
            "or begin with a model of a longer context"
        )
    longest = int(fitting.lengths.max())
    return Material(len(fitting), len(found) - len(fitting), longest_row=longest)


def common_context(own: int, reward: str | None) -> int:
    """The context of a model; of a policy as much of it as its reward model has, too."""
    if reward is None or reward in REWARD_RULES:
        return own
    return min(own, read_model_config(Path(reward)).block_size)


def _of_questions(
    kind: ObjectiveKind, dataset: Dataset, context: int, wanted: int | None
) -> Material:
    place, ends = dataset.directory.as_posix(), dataset.answer_ends
    found = questions_of(dataset.train, ends) if dataset.record.is_masked else None
    if found is None or not len(found):
        raise UsageError(
            f"--objective {kind.name} needs questions with answers, and {place} has none: try "
            "gptcli prepare addition or gptcli prepare instructions, or records with prompt and "
            "completion"
        )
    if not ends:
        raise UsageError(
            f"--objective {kind.name} needs answers that end, and the tokenizer of {place} has no "
            "end-of-text token: prepare the data with one that has"
        )
    room = found.room_in(context) if wanted is None else wanted
    fitting = found.fitting(context, room)
    if not len(fitting):
        raise _no_room(found, context, room, wanted is not None)
    longest = int((fitting.answers - fitting.starts).max()) + room
    return Material(len(fitting), len(found) - len(fitting), room, longest)


def _no_room(found: Questions, context: int, room: int, is_chosen: bool) -> Exception:
    shortest = int((found.answers - found.starts).min())
    most = context - shortest
    what = (
        f"the shortest question ({counted(shortest, 'token')}) and an answer of {room:,} make "
        f"{shortest + room:,}, more than the context of {context:,}"
    )
    if is_chosen and most > 0:
        return UsageError(f"--max-new-tokens {room}: {what}: at most {most:,} fit")
    way = f"try --max-new-tokens {most}" if most > 0 else "prepare shorter ones"
    return DataError(f"no question fits: {what}: {way}")
