"""Sizes and length of a run where the user of ``train`` does not say: constants and the rule.

Where nothing else is said they were measured (tests/benchmarks/README.md); usual_rates.py has the
values of the optimizers.

On a CPU plain ``train`` is a run of ten minutes of a nanochat model with Muon, the best that was
measured; so it is on CUDA where a time is given, and without one these are the lecture's values.
Any other family is trained as is usual.

The rule: the time and the text decide the size, the context and the repetitions.
- In less than four minutes a smaller model learns more of a text of characters, since it sees
  more of it: 6 layers of 128 end at 1.438 instead of 1.449 in two minutes, 4 of them at 1.502
  instead of 1.566 in one. With a large vocabulary, whose head costs as much as the blocks, the
  usual size is best in two minutes, too.
- With a vocabulary of tens of thousands the head takes most of a step, which then has a quarter
  of the rows: on GPT-2's tokens a minute ends at 5.66 instead of 5.89.
- A context is at most as long as the text; without a size of its own it is then a quarter of it.
- Where questions are answered, a context is at most as long as the longest of these documents,
  and a step has as many more rows: it sees about as many tokens, each document by itself. A
  CPU trains a smaller model on very short ones: a rule of arithmetic needs steps, not size.
- A text is repeated a number of times at most where a time is to be kept, since more does not
  lower the loss on text that is held out: 12 times in characters, 6 in a larger vocabulary, whose
  embeddings learn it sooner by heart (4.53 instead of 4.67 on 270,000 tokens of a BPE). A run of a
  small text then ends before its time. Short answers are repeated more often: a rule is found
  late, from few problems.
- A short text that is read often has dropout: 100 KB of characters end in three minutes at 1.439
  instead of 1.503, the tokens of a BPE at 4.51 instead of 4.53. A longer one does without, which
  is faster.
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

Values = Mapping[str, Any]

CPU_SECONDS = 600.0  # of plain train
_EPOCHS_OF_CHARACTERS, _EPOCHS_OF_WORDS, _EPOCHS_OF_ANSWERS = 12, 6, 60  # at most
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
# What a text with fewer tokens has where the time affords so many epochs, in characters and words.
_SHORT_TEXT = 400_000
_DROPOUT_OF_WORDS = 0.1
_DROPOUTS_OF_CHARACTERS, _DROPOUTS_OF_WORDS = {12: 0.2, 7: 0.1}, {6: _DROPOUT_OF_WORDS}
# Tokens a second, of 6 layers of 192 with dropout, up to a size of the vocabulary.
_READS_WITH_DROPOUT = {256: 13_000, 16_383: 11_000, math.inf: 3_000}
_SMALL_VOCABULARY = 256
_LARGE_VOCABULARY = 16_384  # from here on a step has fewer rows
_FEW_ROWS = 4
_SHORT_ANSWER = 128  # tokens of a question with its answer
_OF_SHORT_ANSWERS = {"n_layer": 4, "n_head": 4, "n_embd": 128}
_ON_GPU = {
    "n_layer": 6, "n_head": 6, "n_embd": 384, "head_size": 64, "block_size": 256,
    "batch_size": 64, "max_iters": 5000, "dropout": 0.2,
}  # fmt: skip
_EPOCHS_WITHOUT_DROPOUT = 4  # until then dropout is no help: 1.4216, with 0.1 1.4288
_OF_SHORT_TEXT_ON_GPU = {
    "n_layer": 6, "n_head": 3, "n_embd": 192, "head_size": 32, "batch_size": 16,
}  # fmt: skip

# What two cores of a current server or laptop sustain in training, and an H100, in FLOP/s.
_CPU_FLOPS = {"float32": 130e9, "bfloat16": 200e9}
CUDA_FLOPS = 80e12
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
        return _sizes_on_cpu(seconds, vocab_size, n_tokens, longest_document, given)
    if longest_document is not None:  # as on a CPU: nothing else was measured
        is_short = longest_document <= _SHORT_ANSWER
        return {**_BEST_ON_CPU, **_OF_SHORT_ANSWERS} if is_short else {"dropout": 0.0}
    return _sizes_on_gpu(seconds, vocab_size, n_tokens) if n_tokens else {}


def _sizes_on_gpu(seconds: float, vocab_size: int, n_tokens: int) -> Values:
    """No dropout for a text that is read a few times, a CPU's model for one that is short."""
    shape: dict[str, Any] = {
        name: _ON_GPU[name] for name in ("n_layer", "n_head", "n_embd", "block_size")
    }
    model = ModelConfig(**shape, vocab_size=max(1, vocab_size))
    row = sequence_flops(model, model.block_size).training_full
    n_read = seconds * CUDA_FLOPS / row * model.block_size
    tokens = _ON_GPU["batch_size"] * _ON_GPU["block_size"]
    values: dict[str, Any] = {}
    if n_read < _EPOCHS_WITHOUT_DROPOUT * n_tokens:
        values["dropout"] = 0.0
    if most_epochs(vocab_size) * n_tokens < _FEWEST_STEPS * tokens:
        values |= _OF_SHORT_TEXT_ON_GPU
        if vocab_size > _SMALL_VOCABULARY:
            values["dropout"] = _DROPOUT_OF_WORDS
    return values


def _sizes_on_cpu(
    seconds: float,
    vocab_size: int,
    n_tokens: int | None,
    longest_document: int | None,
    given: Values,
) -> Values:
    """A smaller model for a short time, or dropout for a text that it reads again and again.

    Not a smaller one that would have few heads for the keys and values that are given.
    """
    is_small = vocab_size <= _SMALL_VOCABULARY
    is_repeated = n_tokens is not None and seconds * _READS > _EPOCHS_OF_CHARACTERS * n_tokens
    if is_small and not is_repeated and not given.get("n_kv_head"):
        return next((one for most, one in _BRIEFLY_ON_CPU.items() if seconds < most), {})
    if not n_tokens or n_tokens >= _SHORT_TEXT or longest_document is not None:
        return {}
    reads = next(rate for most, rate in _READS_WITH_DROPOUT.items() if vocab_size <= most)
    epochs = seconds * reads / n_tokens
    dropouts = _DROPOUTS_OF_CHARACTERS if is_small else _DROPOUTS_OF_WORDS
    return next(({"dropout": one} for least, one in dropouts.items() if epochs >= least), {})


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
        if device == "cpu" and longest_document <= _SHORT_ANSWER:
            values |= _OF_SHORT_ANSWERS
    if n_tokens is not None and n_tokens <= values["block_size"]:
        values["block_size"] = max(1, n_tokens // 4)
    return values


def most_epochs(vocab_size: int, are_answers: bool = False) -> int:
    """How often a text is repeated at most where a time is to be kept.

    ``are_answers``: it is made of short questions with their answers.
    """
    if are_answers:
        return _EPOCHS_OF_ANSWERS
    return _EPOCHS_OF_CHARACTERS if vocab_size <= _SMALL_VOCABULARY else _EPOCHS_OF_WORDS


def most_iters(tokens_per_iter: int, n_tokens: int, epochs: int) -> int:
    """The number of iterations in so many ``epochs`` of a text of ``n_tokens``, but not few."""
    return max(_FEWEST_STEPS, math.ceil(epochs * n_tokens / tokens_per_iter))


def affordable_iters(
    model: ModelConfig, rows: int, device: str, precision: str, seconds: float
) -> int:
    """The number of iterations that take about this long on two cores or a GPU, rounded."""
    cost = rows * sequence_flops(model, model.block_size).training_full
    flops = CUDA_FLOPS if device.startswith("cuda") else _CPU_FLOPS[precision]
    iters = seconds * min(flops / max(1, cost), _MOST_STEPS)
    return max(10, int(round(iters, -2 if iters >= 1000 else -1)))
