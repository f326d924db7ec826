"""Open a trained model from Python: let it write, measure it, and read its attention.

    from gptcli.api import open_run

    run = open_run("runs/input")
    text = run.generate("ROMEO:", max_new_tokens=100)
    bits = run.evaluate("To be, or not to be").bits_per_byte
    tokens, weights = run.attention("ROMEO: O")

Every failure that a command reports as an error is an exception of ``gptcli.errors`` here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gptcli.checkpoint.find import fetch_model, named_model
from gptcli.config.sampling import SamplingConfig
from gptcli.data.chat.chat_template import Message
from gptcli.data.source_text import SourceText
from gptcli.data.target_text import target_text
from gptcli.data.text_tokens import TextTokens
from gptcli.errors import DataError, UsageError
from gptcli.evaluation.evaluation_pass import tokens_per_batch
from gptcli.evaluation.loss import evaluate_split
from gptcli.evaluation.target_windows import StridedWindows
from gptcli.generation.chat import answering, chat_ids
from gptcli.generation.generate import TextGenerator
from gptcli.generation.loaded_model import LoadedModel, load_model
from gptcli.generation.prompt import beginning
from gptcli.inspection.ablation import ablate
from gptcli.inspection.capture import record
from gptcli.inspection.heads import AblationMode, every_head
from gptcli.inspection.stage_names import DEFAULT_STAGE, Stage
from gptcli.inspection.stages import stage_values
from gptcli.runtime.device import choose_device


@dataclass(frozen=True)
class TextFigures:
    """How well a model predicts a text; loss in nats per token, accuracy from 0 to 1.

    ``bits_per_byte`` is None where the text of a token is unknown.
    """

    loss: float
    perplexity: float
    accuracy: float
    bits_per_byte: float | None


@dataclass(frozen=True)
class OpenRun:
    """A model with its tokenizer; ``loaded.model`` is the PyTorch module itself."""

    loaded: LoadedModel

    def generate(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int = SamplingConfig.max_new_tokens,
        temperature: float = SamplingConfig.temperature,
        top_k: int | None = SamplingConfig.top_k,
        top_p: float = SamplingConfig.top_p,
        seed: int = SamplingConfig.seed,
    ) -> str:
        """Return the prompt with the text that follows it, as ``gptcli sample`` writes it."""
        config = self._sampling(max_new_tokens, temperature, top_k, top_p, seed)
        tokenizer = self.loaded.tokenizer
        ids = tokenizer.encode(prompt).tolist()
        start = [*tokenizer.template.before, *ids] if ids else beginning(tokenizer).ids
        generator = TextGenerator(self.loaded, start, config)
        return prompt + "".join(generator.pieces())

    def chat(
        self,
        messages: str | Sequence[Mapping[str, str]],
        *,
        max_new_tokens: int = SamplingConfig.max_new_tokens,
        temperature: float = SamplingConfig.temperature,
        top_k: int | None = SamplingConfig.top_k,
        top_p: float = SamplingConfig.top_p,
        seed: int = SamplingConfig.seed,
    ) -> str:
        """Return the answer to a question, as ``gptcli sample --chat`` gives it.

        Or to a conversation: messages such as {"role": "user", "content": "Hello"}.
        """
        config = self._sampling(max_new_tokens, temperature, top_k, top_p, seed)
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        turns = [Message(one["role"], one["content"]) for one in messages]
        loaded = answering(self.loaded)
        generator = TextGenerator(loaded, chat_ids(loaded.tokenizer, turns), config)
        return "".join(generator.pieces())

    def evaluate(self, text: str) -> TextFigures:
        """Predict every token of a text but the first, as ``gptcli eval --text`` does."""
        tokens = self._tokens(text)
        found = evaluate_split(self.loaded.model, tokens, self.loaded.device)
        size = target_text(tokens, self.loaded.tokenizer)
        bits = None if size is None else found.bits_per(size.n_bytes)
        return TextFigures(found.loss, found.perplexity, found.accuracy, bits)

    def attention(self, text: str, stage: Stage = DEFAULT_STAGE) -> tuple[list[str], Tensor]:
        """Return the T tokens of a text and their attention, (layers, heads, T, T) on the CPU.

        ``weights[layer, head, query, key]`` is how much a query looks at a key; a row sums to 1.
        Another ``stage`` than softmax gives other numbers, as ``inspect-attention --stage`` does.
        """
        tokenizer, config = self.loaded.tokenizer, self.loaded.model.config
        ids: list[int] = tokenizer.encode(text, add_special_tokens=True).tolist()
        if not config.n_layer or not ids:
            raise UsageError("attention needs a text and a model that has attention")
        ids = ids[-config.block_size :]
        model = self.loaded.model
        recording = record(model, ids)
        layers = range(config.n_layer)
        values = [stage_values(model, recording, layer, stage).cpu() for layer in layers]
        return [tokenizer.piece(number) for number in ids], torch.stack(values)

    def ablation(self, text: str, mode: AblationMode = "zero") -> Tensor:
        """Return by how much the loss on a text grows without each head: (layers, heads).

        In nats per token, as ``gptcli inspect-attention --ablate all`` finds it; ``mode`` is what
        the head's output is replaced by, zero or its mean.
        """
        tokens, config = self._tokens(text), self.loaded.model.config
        if not config.n_layer:
            raise UsageError("ablation needs a model that has attention")
        windows = StridedWindows(config.block_size, config.block_size, tokens.n_tokens)
        batches = list(windows.batches(tokens, tokens_per_batch(config)))
        found = ablate(self.loaded.model, batches, every_head(config), mode)
        changes = torch.tensor([effect.change.mean for effect in found.effects])
        return changes.view(config.n_layer, config.n_head)

    def _sampling(
        self, max_new_tokens: int, temperature: float, top_k: int | None, top_p: float, seed: int
    ) -> SamplingConfig:
        """The configuration; UsageError where it asks for more tokens than there are."""
        config = SamplingConfig(
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
        )
        tokenizer = self.loaded.check_writes().tokenizer
        config.check_fits(tokenizer.vocab_size - len(tokenizer.missing_ids))
        return config

    def _tokens(self, text: str) -> TextTokens:
        tokenizer = self.loaded.check_writes().tokenizer
        tokens = TextTokens.of(SourceText("the text", text).checked(), tokenizer)
        if not tokens.n_targets:
            raise DataError("there is nothing to predict: give more text")
        return tokens


def open_run(checkpoint: str | Path, device: str = "auto") -> OpenRun:
    """Open a run, a saved step of one, a Hugging Face directory or a model on the hub."""
    directory = named_model(Path(checkpoint), fetch_model)
    return OpenRun(load_model(directory, choose_device(device).value))
