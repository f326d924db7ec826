"""A model with the interface of lm-eval: likelihoods of continuations, and generated text.

Imported only where lm-eval is installed, which is the extra ``tasks``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from lm_eval.api.model import TemplateLM
from lm_eval.utils import get_rolling_token_windows

from gptcli.config.sampling import SamplingConfig
from gptcli.errors import CheckpointError
from gptcli.evaluation.evaluation_pass import TOKENS_PER_BATCH, predict
from gptcli.evaluation.target_windows import TargetBatch
from gptcli.generation.generate import TextGenerator
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import beginning
from gptcli.model.gpt import UNCOUNTED
from gptcli.runtime.progress import Advance

_USUAL_LENGTH = 256  # tokens that lm-eval lets a model write where a task says nothing

Likelihood = tuple[float, bool]
"""Log-likelihood in nats of a continuation, and whether greedy decoding gives it."""


class HarnessModel(TemplateLM):  # type: ignore[misc]
    """A loaded model for lm-eval; ``advance`` counts the requests that are done."""

    def __init__(self, loaded: LoadedModel, advance: Advance) -> None:
        super().__init__()
        self._loaded = loaded
        self._context = loaded.model.config.block_size
        self._advance = advance

    @property
    def eot_token_id(self) -> int:
        """The token before a text: one that begins it, an end of text, a line break, or token 0."""
        return beginning(self._loaded.tokenizer).ids[-1]

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: Any
    ) -> list[int]:
        """The ids of a text, after the tokens that its makers put before one.

        These are not repeated where the text spells out the last of them, as templates do.
        """
        tokenizer = self._loaded.tokenizer
        before = tokenizer.template.before if add_special_tokens is not False else ()
        text = string.removeprefix(tokenizer.piece(before[-1])) if before else string
        return [*before, *tokenizer.encode(text).tolist()]

    def _loglikelihood_tokens(self, requests: Sequence[Any], **_: Any) -> list[Likelihood]:
        """The likelihood of the ids of each continuation after the ids of its context."""
        # Windows hold context + 1 tokens; longer requests keep only their end.
        rows = [(context + target)[-self._context - 1 :] for _, context, target in requests]
        counts = [
            min(len(target), len(row) - 1)
            for row, (_, _, target) in zip(rows, requests, strict=True)
        ]
        answers: list[Likelihood] = [(0.0, True)] * len(rows)
        order = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
        for group in _groups([index for index in order if counts[index]], rows):
            batch = _batch([rows[index] for index in group], [counts[index] for index in group])
            for index, answer in zip(group, self._answers(batch), strict=True):
                answers[index] = answer
            self._advance(len(group))
        return answers

    @torch.inference_mode()
    def _answers(self, batch: TargetBatch) -> list[Likelihood]:
        found = predict(self._loaded.model, batch, self._loaded.device)
        if not np.isfinite(found.losses).all():
            raise CheckpointError("a loss is not finite: the model's weights are damaged")
        losses = np.bincount(found.rows, found.losses)
        wrong = np.bincount(found.rows, ~found.correct)
        return [(-float(loss), not faults) for loss, faults in zip(losses, wrong, strict=True)]

    def loglikelihood_rolling(self, requests: Sequence[Any], *_: Any, **__: Any) -> list[float]:
        """The log-likelihood of each text, each token once, in windows as full as they can be."""
        totals = []
        for request in requests:
            ids = self.tok_encode(request.args[0])
            windows = get_rolling_token_windows(ids, self.eot_token_id, self._context, 1)
            # The library's inputs and predictions overlap by all but one token.
            pairs = [("", seen[: len(seen) - len(new) + 1], new) for seen, new in windows]
            totals.append(sum(answer for answer, _ in self._loglikelihood_tokens(pairs)))
        return totals

    def generate_until(self, requests: Sequence[Any], *_: Any, **__: Any) -> list[str]:
        """Generate a continuation of each text, up to the first stop string."""
        texts = []
        for request in requests:
            prompt, options = request.args
            until = options.get("until") or []
            length = int(options.get("max_gen_toks", _USUAL_LENGTH))
            temperature = options.get("temperature", 1.0) if options.get("do_sample") else 0.0
            stops = [until] if isinstance(until, str) else until
            config = SamplingConfig(length, float(temperature), stop=tuple(filter(None, stops)))
            texts.append(self._generated(prompt, config))
            self._advance(1)
        return texts

    def _generated(self, prompt: str, config: SamplingConfig) -> str:
        generator = TextGenerator(
            self._loaded, self.tok_encode(prompt) or [self.eot_token_id], config
        )
        for _ in generator.steps():
            pass
        return generator.samples[0].text


def _groups(order: list[int], rows: list[list[int]]) -> Iterator[list[int]]:
    """Cut rows of falling length into groups that fit a batch."""
    while order:
        size = max(1, TOKENS_PER_BATCH // len(rows[order[0]]))
        yield order[:size]
        order = order[size:]


def _batch(rows: list[list[int]], counts: list[int]) -> TargetBatch:
    """Pad rows on the right; the last ``counts`` tokens of each are targets."""
    width = max(map(len, rows)) - 1
    ids = np.zeros((len(rows), width), dtype=np.int64)
    targets = np.full_like(ids, UNCOUNTED)
    for index, (row, count) in enumerate(zip(rows, counts, strict=True)):
        last = len(row) - 1
        ids[index, :last] = row[:-1]
        targets[index, last - count : last] = row[-count:]
    starts = np.zeros(len(rows), dtype=np.int64)
    return TargetBatch(torch.from_numpy(ids), torch.from_numpy(targets), starts)
