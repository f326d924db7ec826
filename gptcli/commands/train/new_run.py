"""What a new run is made of: its data, the checkpoint it begins with, what is chosen for it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gptcli.checkpoint.config_json import omission_notes
from gptcli.checkpoint.weights_step import weights_step
from gptcli.commands.choices import chosen_dataset, chosen_model
from gptcli.commands.computing import chosen_device, chosen_precision, note_step
from gptcli.commands.train.command import TrainRequest
from gptcli.commands.train.objective_choice import objective_resolver
from gptcli.commands.train.repetition import Resolve
from gptcli.commands.view.terminal import detail, note
from gptcli.config.checks import flag
from gptcli.config.data import SPLITS
from gptcli.config.objective import RewardModeling
from gptcli.data.dataset import Dataset
from gptcli.errors import ResourceError, UsageError
from gptcli.families.registry import find_preset
from gptcli.fast.compiled_blocks import check_compiler
from gptcli.generation.loaded_model import check_ids_fit, check_same_template, check_same_tokenizer
from gptcli.runtime.device import threads_on
from gptcli.runtime.world import World
from gptcli.tokenization.loading import load_tokenizer
from gptcli.training.defaults import Resolved, resolve
from gptcli.training.estimate import is_worth_compiling
from gptcli.training.ngram_teacher import can_teach
from gptcli.training.starting_point import StartingPoint


def dataset_for(request: TrainRequest) -> Dataset:
    """The dataset that is named, or the newest; says where no answer in it has an end."""
    dataset = Dataset.open(chosen_dataset(request.data))
    if dataset.record.is_masked and not dataset.answer_ends:
        note(
            f"answers in {dataset.directory.as_posix()} have no end, so the model does not learn "
            "to end one: its tokenizer has no end-of-text token (prepare tells how to get one)"
        )
    return dataset


def resolver(
    request: TrainRequest, dataset: Dataset, start: StartingPoint | None, world: World
) -> Resolve:
    """What merges given values with what is chosen on this machine for this dataset."""
    preset, vocab_size = None, dataset.vocab_size
    if start is not None and not request.is_language_modeling:
        return objective_resolver(request, dataset, start, world)
    if request.preset is not None:
        preset = find_preset(request.preset)
    if start is not None:
        preset, vocab_size = start.preset(request.shaping), start.model.vocab_size
    device = chosen_device(request.device)
    precision = chosen_precision(request.precision, device)
    train = dataset.train
    n_tokens, longest = train.n_tokens, None
    if train.is_masked:
        longest = max(train.longest_document, dataset.val.longest_document)
    is_countable = not train.is_masked and can_teach(n_tokens, vocab_size)

    def resolve_here(given: Mapping[str, Any]) -> Resolved:
        threads = threads_on(device, bool(given.get("deterministic")))
        return resolve(
            given, preset, vocab_size, device, precision, threads, n_tokens, is_countable, longest
        )

    return resolve_here


def compiled_where_worth(request: TrainRequest, resolved: Resolved) -> Resolved:
    """The same, with a compiled model where that saves time or is asked for."""
    is_worth = not request.fsdp and is_worth_compiling(request.compile, resolved)
    if not is_worth or not can_compile(request, resolved.training.device):
        return resolved
    return replace(resolved, training=replace(resolved.training, compile=True))


def say_what_is_chosen(resolved: Resolved) -> None:
    """Tell the user what was not given."""
    for text in resolved.notes:
        note(text)
    flags = (f"{flag(name)} {value}" for name, value in resolved.filled.items())
    note("chosen for you: " + "  ".join(flags))
    detail(f"model: {resolved.model}")
    detail(f"training: {resolved.training}")


def can_compile(request: TrainRequest, device: str) -> bool:
    """Whether there is a compiler that works; an error if --compile on asks for it."""
    try:
        check_compiler(device)
    except ResourceError as error:
        if request.compile == "on":
            raise
        note(f"{error}; training is not compiled")
        return False
    return True


def starting_point(request: TrainRequest, dataset: Dataset) -> StartingPoint:
    """The checkpoint of --init-from, with rows for the tokens that only the dataset has.

    Raises an error where the two do not fit together, or the objective needs another model.
    """
    start = StartingPoint.at(chosen_model(request.init_from))
    if start.model.score and request.kind is not RewardModeling:
        raise UsageError(
            f"--init-from {start.directory.as_posix()} is a reward model, which scores and does "
            f"not write: --objective {request.objective} begins with a language model"
        )
    note_step(start.directory, weights_step(start.directory))
    for text in omission_notes(start.directory):
        note(text)
    tokenizer = load_tokenizer(start.directory)
    start = start.grown(tokenizer, dataset.tokenizer)
    if start.growth:
        check_same_template(start.directory, tokenizer, dataset)
        new = dataset.tokenizer.special_tokens.keys() - tokenizer.special_tokens.keys()
        which = f"new to {start.directory.as_posix()}: {' '.join(sorted(new))}"
        note(f"{which}; each begins as the mean of the tokens that it has")
    else:
        check_same_tokenizer(start.directory, tokenizer, dataset)
    check_ids_fit(start.directory, start.model.vocab_size, dataset, *SPLITS)
    if tokenizer.template and not dataset.tokenizer.template:
        around = (*tokenizer.template.before, *tokenizer.template.after)
        note(
            f"{start.directory} puts {' '.join(map(tokenizer.piece, around))} around every text, "
            f"{dataset.directory} was prepared without: the run is trained and sampled without"
        )
    return start
