"""What train does where the user does not say: every measured constant, and the rule to choose.

On a CPU plain ``train`` is a run of ten minutes of a nanochat model with Muon, the best that was
measured; so it is on CUDA where a time is given, and without one these are the lecture's values.
Any other family is trained as is usual.

The rule: the time and the text decide the size, the context and the repetitions.
- In less than four minutes a smaller model learns more of a text of characters, since it sees
  more of it: 6 layers of 128 end at 1.438 instead of 1.449 in two minutes, 4 of them at 1.502
  instead of 1.566 in one. With a large vocabulary, whose head costs as much as the blocks, the
  usual size is best in two minutes, too.
- With a vocabulary of tens of thousands the head takes most of a step, which then has a quarter
  of the rows: on GPT-2's tokens a minute ends at 5.87 instead of 9.07.
- A context is at most as long as the text; without a size of its own it is then a quarter of it.
- Where questions are answered, a context is at most as long as the longest of these documents,
  and a step has as many more rows: it sees about as many tokens, each document by itself. A
  CPU trains a smaller model on very short ones: a rule of arithmetic needs steps, not size.
- A text is repeated at most ``MOST_EPOCHS`` times where a time is to be kept, since more does not
  lower the loss on text that is held out. A run of a small text then ends before its time. Short
  answers are repeated more often: a rule is found late, from few problems.
- N-grams teach a text of characters (training/ngram_teacher.py).
- A GPU reads most texts again and again in a minute: then its model has dropout. A short text is
  learnt by a smaller model in smaller steps (100 KB: 1.4407 instead of 1.4935), else by heart.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gptcli.accounting.flops import sequence_flops
from gptcli.config.model import ModelConfig
from gptcli.config.training import RATES
from gptcli.families.shapes import parameter_groups

Values = Mapping[str, Any]

CPU_SECONDS = 600.0  # of plain train
MOST_EPOCHS = 12
MOST_EPOCHS_OF_ANSWERS = 60
_FEWEST_STEPS = 300  # that a time may be cut short to: a text of few tokens takes them, too

BEST_FAMILY, CLASSIC_FAMILY = "nanochat", "gpt2"

# Three heads of 64 take an eighth less time than six of 32, and learn a little better. A number
# of heads that is given is one of heads of 32, so that six of them do not make a wide model.
_BEST_ON_CPU = {
    "n_layer": 6, "n_head": 3, "n_embd": 192, "head_size": 32,
    "block_size": 256, "batch_size": 16, "dropout": 0.0,
}  # fmt: skip
_CLASSIC_ON_CPU = {
    "n_layer": 6, "n_head": 6, "n_embd": 192, "head_size": 32,
    "block_size": 128, "batch_size": 16, "dropout": 0.0,
}  # fmt: skip
# For less than so many seconds, where the vocabulary is small and the text long enough.
_BRIEFLY_ON_CPU = {
    90.0: {"n_layer": 4, "n_head": 2, "n_embd": 128},
    240.0: {"n_layer": 6, "n_head": 2, "n_embd": 128},
}
_READS = 36_000  # tokens a second
_SMALL_VOCABULARY = 256
_LARGE_VOCABULARY = 16_384  # from here on a step has fewer rows
_FEW_ROWS = 4
_SHORT = 128  # tokens of a question with its answer
_OF_SHORT_ANSWERS = {"n_layer": 4, "n_head": 4, "n_embd": 128}
_ON_GPU = {
    "n_layer": 6, "n_head": 6, "n_embd": 384, "head_size": 64, "block_size": 256,
    "batch_size": 64, "max_iters": 5000, "dropout": 0.2,
}  # fmt: skip
_GPU_READS = 1_500_000  # tokens a second, of the model above on an H100
_EPOCHS_WITHOUT_DROPOUT = 4  # until then dropout is no help: 1.4216, with 0.1 1.4288
_OF_SHORT_TEXT_ON_GPU = {"n_layer": 6, "n_head": 3, "n_embd": 192, "batch_size": 16}

# Muon's values, and the rates of what AdamW updates beside it, as in the best run so far.
_BESIDE_MUON: Values = MappingProxyType(
    {
        "weight_decay": 0.2, "embedding_lr": 4e-3, "head_lr": 4e-3, "vector_lr": 4e-3,
        "beta1": 0.8, "beta2": 0.95, "schedule": "wsd", "warmup_iters": 0,
    }
)  # fmt: skip
NGRAM_TEACHER = 0.7  # where a text can be counted
_WITH_MUON = (0.02, 0.04)  # the least and the highest rate of matrices
_WITH_MUON_FOR_ANSWERS = 0.03  # at 0.02 two minutes of sums end at 91% right instead of 100%
_MUON_TOKENS = 4096  # of a step whose best rate was measured
LEAST_WITH_MUON = 0.02  # of the full rate, at the end of the decay

# What two cores of a current server or laptop sustain in training, and an H100, in FLOP/s.
_CPU_FLOPS = {"float32": 130e9, "bfloat16": 200e9}
_CUDA_FLOPS = 80e12
_MOST_STEPS = 10_000  # a second, of a model that multiplies next to nothing


def is_measured(device: str, is_timed: bool) -> bool:
    """Whether the best is known for this device: on a GPU only where a time is to be kept."""
    return device == "cpu" or (is_timed and device.startswith("cuda"))


def usual_family(device: str, is_timed: bool) -> str:
    """The family that is chosen unless a flag asks for what it cannot have."""
    return BEST_FAMILY if is_measured(device, is_timed) else CLASSIC_FAMILY


def sizes_by_time(
    device: str,
    seconds: float | None,
    vocab_size: int,
    n_tokens: int | None,
    longest_document: int | None,
    given: Values,
) -> Values:
    """What a time of so many ``seconds`` changes in the ``sizes`` of the best family."""
    if seconds is None or not is_measured(device, is_timed=True):
        return {}
    if device == "cpu":
        return _brief_sizes(seconds, vocab_size, n_tokens, given)
    if longest_document is not None and longest_document <= _SHORT:
        return {**_BEST_ON_CPU, **_OF_SHORT_ANSWERS}  # nothing else was measured
    return {} if n_tokens is None else _sizes_on_gpu(seconds, n_tokens)


def _sizes_on_gpu(seconds: float, n_tokens: int) -> Values:
    tokens = _ON_GPU["batch_size"] * _ON_GPU["block_size"]
    values: dict[str, Any] = {}
    if seconds * _GPU_READS < _EPOCHS_WITHOUT_DROPOUT * n_tokens:
        values["dropout"] = 0.0
    if MOST_EPOCHS * n_tokens < _FEWEST_STEPS * tokens:
        values |= _OF_SHORT_TEXT_ON_GPU
    return values


def _brief_sizes(seconds: float, vocab_size: int, n_tokens: int | None, given: Values) -> Values:
    """The sizes of the smaller model that is better for a short time; none for any other.

    Not where the smaller one would come to the end of the repetitions of its text, nor where it
    would have few heads for the keys and values that are given.
    """
    if vocab_size > _SMALL_VOCABULARY or given.get("n_kv_head"):
        return {}
    if n_tokens is not None and seconds * _READS > MOST_EPOCHS * n_tokens:
        return {}
    return next((one for most, one in _BRIEFLY_ON_CPU.items() if seconds < most), {})


def sizes(
    family: str,
    device: str,
    n_tokens: int | None,
    longest_document: int | None = None,
    by_time: Values = MappingProxyType({}),
    vocab_size: int = 0,
) -> Values:
    """Sizes of model and batch.

    ``head_size`` is the width of a head where either the number of heads or the width of the
    model is given, and the other follows. ``n_tokens`` is the length of the text, where it is
    known; ``longest_document`` that of the longest question with its answer, where the text is
    made of such; ``by_time`` are the ``sizes_by_time``; a ``vocab_size`` of 0 is not known.
    """
    values: dict[str, Any] = dict(_ON_GPU)
    if device == "cpu":
        values = dict(_BEST_ON_CPU if family == BEST_FAMILY else _CLASSIC_ON_CPU)
        if family == BEST_FAMILY and vocab_size >= _LARGE_VOCABULARY:
            values["batch_size"] = _FEW_ROWS
    if family == BEST_FAMILY:
        values |= by_time
    if longest_document is not None and longest_document < values["block_size"]:
        tokens = values["batch_size"] * values["block_size"]
        rows = 2 ** ((tokens // longest_document).bit_length() - 1)  # 256 learnt, 315 did not
        values |= {"block_size": longest_document, "batch_size": rows}
        if device == "cpu" and longest_document <= _SHORT:
            values |= _OF_SHORT_ANSWERS
    if n_tokens is not None and n_tokens <= values["block_size"]:
        values["block_size"] = max(1, n_tokens // 4)
    return values


def most_iters(tokens_per_iter: int, n_tokens: int, are_answers: bool = False) -> int:
    """The number of iterations beyond which a text of ``n_tokens`` teaches nothing more.

    ``are_answers``: the text is made of short questions with their answers.
    """
    epochs = MOST_EPOCHS_OF_ANSWERS if are_answers else MOST_EPOCHS
    return max(_FEWEST_STEPS, math.ceil(epochs * n_tokens / tokens_per_iter))


def affordable_iters(
    model: ModelConfig, rows: int, device: str, precision: str, seconds: float
) -> int:
    """The number of iterations that take about this long on two cores or a GPU, rounded."""
    cost = rows * sequence_flops(model, model.block_size).training_full
    flops = _CUDA_FLOPS if device.startswith("cuda") else _CPU_FLOPS[precision]
    iters = seconds * min(flops / max(1, cost), _MOST_STEPS)
    return max(10, int(round(iters, -2 if iters >= 1000 else -1)))


def rounded(rate: float) -> float:
    """A rate with two digits, as one writes it."""
    return float(f"{rate:.2g}")


def usual_rate(model: ModelConfig) -> float:
    """AdamW's learning rate: inversely proportional to the width (Yang et al. 2022).

    The constant is measured: a width of 128 learns best near 4e-3 (Tiny Shakespeare), and
    GPT-2's 768 is commonly trained at 6e-4.
    """
    return rounded(min(4e-3, 0.5 / model.n_embd))


def usual_with_muon(
    model: ModelConfig, tokens_per_iter: int, iters: int, are_answers: bool = False
) -> Values:
    """The usual values with Muon, for the groups of parameters that the model has.

    ``are_answers``: the text is made of short questions with their answers.
    """
    rate = _WITH_MUON_FOR_ANSWERS if are_answers else _muon_rate(tokens_per_iter, iters)
    return {"lr": rate, **_beside_muon(model)}


def fine_tuning_rates(model: ModelConfig, optimizer: str) -> Values:
    """A tenth of the usual rates, of Muon's highest, for a model that has learnt already."""
    if optimizer != "muon":
        return {"lr": usual_rate(model) / 10}
    rates = {name: value for name, value in _beside_muon(model).items() if name in RATES}
    return {name: value / 10 for name, value in {"lr": _WITH_MUON[1], **rates}.items()}


def _muon_rate(tokens_per_iter: int, iters: int) -> float:
    """The rate of matrices: a long run of small steps learns best at a low one.

    Measured with 4,096 tokens a step: 190 of them near 0.037, 560 near 0.021. Below 0.02 a long
    run of a small text learns it by heart (0.013, 2,140 steps: 1.4089 instead of 1.3955).
    """
    rate = 0.5 * math.sqrt(tokens_per_iter / _MUON_TOKENS / max(1, iters))
    least, most = _WITH_MUON
    return rounded(min(most, max(least, rate)))


def _beside_muon(model: ModelConfig) -> Values:
    """The values beside the rate of matrices, for the groups of parameters that there are."""
    groups = parameter_groups(model)
    return {
        name: value for name, value in _BESIDE_MUON.items() if RATES.get(name) in {None, *groups}
    }
