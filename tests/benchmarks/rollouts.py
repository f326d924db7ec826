"""Answers to many questions at once, as a policy writes them, beside transformers' generate.

The 0.8M model of the stages after pre-training, eager, with random weights; of its 104 tokens 8
end an answer, so that one has 13 tokens on average, as answers to ``instructions`` do.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from gptcli.checkpoint.config_json import model_config_json
from gptcli.config.model import ModelConfig
from gptcli.config.sampling import SamplingConfig
from gptcli.evaluation.answering import AnswerWriter
from gptcli.families.registry import FAMILIES
from gptcli.fast.layers import use_fast_layers
from gptcli.model.initialization import new_model
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer
from tests.benchmarks.machine import print_title
from tests.benchmarks.sampling import seconds
from tests.benchmarks.timing import print_lead, spread, take_turns

_LETTERS = "".join(map(chr, range(33, 137)))
_ENDS = list(range(96, 104))
_MOST = 24  # tokens of an answer
_ROUNDS = 9
_SIZES = {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 128}


@dataclass(frozen=True)
class _Case:
    """So many questions, with prompts of ``least`` to ``most`` tokens."""

    rows: int
    least: int
    most: int

    @property
    def prompts(self) -> list[list[int]]:
        spread = 1 + self.most - self.least
        return [[1] * (self.least + row % spread) for row in range(self.rows)]


def run(rounds: int | None = None) -> None:
    """Print seconds for sums of two digits, and for conversations."""
    tokenizer = character_tokenizer(_LETTERS)
    switches: dict[str, Any] = dict(FAMILIES["llama"].switches)
    config = ModelConfig(**_SIZES, vocab_size=tokenizer.vocab_size, **switches)
    for case in (_Case(256, 6, 6), _Case(128, 10, 35), _Case(256, 10, 35)):
        prompts = f"{case.least} to {case.most}" if case.most > case.least else str(case.least)
        print_title(f"rollouts: {case.rows} answers, prompts of {prompts} tokens")
        measure(config, tokenizer, case.prompts, rounds or _ROUNDS)


def measure(
    config: ModelConfig, tokenizer: Tokenizer, prompts: list[list[int]], rounds: int
) -> None:
    """Both in turn, and the lead."""
    model = use_fast_layers(new_model(config, 1)).eval()
    sampling = SamplingConfig(max_new_tokens=_MOST)
    writer = AnswerWriter(model, tokenizer, "cpu", frozenset(_ENDS), sampling)
    theirs = _transformers(config)
    contestants = {
        "gptcli": partial(seconds, lambda: writer.answers(prompts)),
        "transformers": partial(seconds, lambda: _generate(theirs, prompts)),
    }
    take_turns(contestants, 1)
    measured = take_turns(contestants, rounds)
    for name, values in measured.items():
        print(f"  {name:<16}{spread(values, 1000, ' ms')}", flush=True)
    print_lead({name: min(values) for name, values in measured.items()}, "gptcli")


def _transformers(config: ModelConfig) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    fields = model_config_json(config)
    fields |= {"bos_token_id": 0, "eos_token_id": _ENDS, "pad_token_id": 0}
    made = AutoConfig.for_model(fields.pop("model_type"), **fields)
    return AutoModelForCausalLM.from_config(made).eval()


@torch.inference_mode()
def _generate(model: Any, prompts: list[list[int]]) -> None:
    """Its way: prompts filled up on the left, and a mask for the filling."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = (ids > 0).long()
    model.generate(ids, attention_mask=mask, do_sample=True, top_k=0, max_new_tokens=_MOST)
