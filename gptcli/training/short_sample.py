"""A few words of the model that is being trained, to see what it has learnt."""

from gptcli.checkpoint.model_files import end_of_turn
from gptcli.config.sampling import SamplingConfig
from gptcli.fast.compiled_blocks import uncompiled
from gptcli.generation.generate import TextGenerator
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import beginning
from gptcli.runtime.signals import StopRequest
from gptcli.training.training_run import TrainingRun

_TOKENS = 100
_FEWEST = 16  # a shorter text tells nothing


def short_sample(training: TrainingRun, seconds: float, stop: StopRequest) -> str:
    """A text that ends after 100 tokens or so many seconds; empty where it would be very short.

    It has its own random numbers, always the same, so that one text can be compared with the
    next, and the training is what it would be without.
    """
    config, model, tokenizer = training.config, training.model, training.dataset.tokenizer
    loaded = LoadedModel(training.directory, model, tokenizer, config.device)
    asked = SamplingConfig(max_new_tokens=_TOKENS, seed=config.seed)
    end = end_of_turn(tokenizer)  # behind which a conversation begins
    start = beginning(tokenizer).ids if end is None else [end]
    generator = TextGenerator(loaded, start, asked)
    model.eval()
    try:
        with uncompiled(config.compile):
            for _ in generator.steps():
                if stop or generator.seconds > seconds:
                    break
    finally:
        model.train()
    generator.close()
    return generator.samples[0].text if generator.n_tokens >= _FEWEST else ""
