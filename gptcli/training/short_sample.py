"""A few words of the model that is being trained, to see what it has learnt."""

from gptcli.checkpoint.model_files import end_of_turn
from gptcli.config.sampling import SamplingConfig
from gptcli.fast.compiled_blocks import uncompiled
from gptcli.generation.chat import answering
from gptcli.generation.generate import TextGenerator
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import beginning
from gptcli.runtime.signals import StopRequest
from gptcli.training.training_run import TrainingRun

_TOKENS = 100
_FEWEST = 16  # a shorter text tells nothing


def short_sample(training: TrainingRun, seconds: float, stop: StopRequest) -> str:
    """A text that ends after 100 tokens or so many seconds; empty where it breaks off too soon.

    Of a model of chats it is the first question that is held out, and its answer. It has random
    numbers of its own, always the same, so that one text can be compared with the next, and the
    training is what it would be without.
    """
    config, model, tokenizer = training.config, training.model, training.dataset.tokenizer
    loaded = LoadedModel(training.directory, model, tokenizer, config.device)
    asked = SamplingConfig(max_new_tokens=_TOKENS, seed=config.seed)
    is_chat = end_of_turn(tokenizer) is not None
    question = _first_question(training) if is_chat else []
    start = question or beginning(tokenizer).ids
    generator = TextGenerator(answering(loaded) if is_chat else loaded, start, asked)
    model.eval()
    try:
        with uncompiled(config.compile):
            for _ in generator.steps():
                if stop or generator.seconds > seconds:
                    break
    finally:
        model.train()
    (sample,) = generator.samples
    is_told = sample.finish is not None or generator.n_tokens >= _FEWEST
    generator.close()
    return tokenizer.decode(question) + sample.text if is_told else ""


def _first_question(training: TrainingRun) -> list[int]:
    """The first document up to what is learnt of it; nothing where that is beyond the context."""
    dataset, context = training.dataset, training.model.config.block_size
    split = dataset.val if dataset.val.n_tokens else dataset.train
    length = min(context, split.n_tokens)
    learnt = split.read_mask(0, length).nonzero()[0]
    return split.read(0, int(learnt[0])).tolist() if learnt.size else []
