"""A training step of the lecture's size, beside nanoGPT, transformers' Trainer and LitGPT.

All have 10.8M parameters and 16,384 tokens a step. nanoGPT's are without biases and LitGPT's
with rotary positions; LitGPT has no dropout and takes part only where that is 0.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gptcli.accounting.flops import sequence_flops
from tests.benchmarks.contestants import (
    LECTURE_SIZE,
    Contestant,
    Length,
    Setting,
    litgpt,
    nanogpt,
    ours,
    prepare,
    trainer,
    vocabulary,
)
from tests.benchmarks.machine import matrix_peak, print_title
from tests.benchmarks.timing import print_steps, spread, take_turns

_LENGTH = Length(8, 3)
_ROUNDS = 3
_DROPOUTS = (0.2, 0.0)
_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class Peers:
    """A checkout of nanoGPT, and an interpreter that has litgpt."""

    nanogpt: Path | None = None
    litgpt: str | None = None


def run(
    folder: Path,
    peers: Peers,
    rounds: int | None = None,
    setting: Setting = LECTURE_SIZE,
    length: Length = _LENGTH,
    dropouts: Sequence[float] = _DROPOUTS,
) -> None:
    """Print milliseconds per step in turn, and the share of the machine's matrix peak."""
    prepare(folder)
    for dropout in dropouts:
        chosen = replace(setting, dropout=dropout)
        print_title(
            f"training: {chosen.n_layer} layers, {chosen.n_head} heads, {chosen.n_embd} wide, "
            f"block {chosen.block_size}, batch {chosen.batch_size}, dropout {dropout:g}"
        )
        contestants = _contestants(folder, peers, chosen, length)
        for name, dtype in _DTYPES.items():
            contestants[f"peak, {name}"] = lambda dtype=dtype: matrix_peak(dtype)  # type: ignore[misc]
        measured = take_turns(contestants, rounds or _ROUNDS)
        peaks = {name: measured.pop(f"peak, {name}") for name in _DTYPES}
        print_steps(measured, chosen.tokens)
        _print_efficiency(chosen, vocabulary(folder), measured, peaks)


def _contestants(
    folder: Path, peers: Peers, setting: Setting, length: Length
) -> dict[str, Contestant]:
    made: dict[str, Contestant] = {
        "gptcli bfloat16 compiled": ours(folder, setting, length, "bfloat16", "on"),
        "gptcli bfloat16": ours(folder, setting, length, "bfloat16", "off"),
        "gptcli float32": ours(folder, setting, length, "float32", "off"),
    }
    for precision in _DTYPES:
        for compiled in (True, False):
            how = f"{precision} compiled" if compiled else precision
            if peers.nanogpt is not None:
                theirs = nanogpt(folder, peers.nanogpt, setting, length, precision, compiled)
                made[f"nanoGPT {how}"] = theirs
            made[f"Trainer {how}"] = trainer(folder, setting, length, precision, compiled)
        if peers.litgpt is not None and not setting.dropout:
            made[f"LitGPT {precision} compiled"] = litgpt(
                folder, peers.litgpt, setting, length, precision
            )
    return made


def _print_efficiency(
    setting: Setting,
    vocab_size: int,
    measured: dict[str, list[float]],
    peaks: dict[str, list[float]],
) -> None:
    """Operations of the matrix products of a step, by its time, by the peak."""
    flops = sequence_flops(setting.model(vocab_size), setting.block_size)
    for precision, rates in peaks.items():
        print(f"  matrix peak, {precision}: {spread([r / 1e9 for r in rates], unit=' GFLOP/s')}")
        for name, values in measured.items():
            if name.split()[1] != precision:
                continue
            steps = setting.batch_size / statistics.median(values) / statistics.median(rates)
            print(
                f"    {name}: {100 * steps * flops.training_full:.0f} % of it, "
                f"{100 * steps * flops.training_causal:.0f} % with half of attention's square"
            )
