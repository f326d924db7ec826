"""Pretrains a GPT by LitGPT's own code; prints the seconds of each iteration as JSON.

    python peer_litgpt.py '{"n_layer": 6, ..., "tokens": "part-00000.bin"}'

It runs in an environment that has litgpt and need not have gptcli. LitGPT has no learned
positions and no dropout: the model is a GPT-NeoX of the same size, with rotary positions.
"""

import contextlib
import io
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from litgpt import pretrain
from litgpt.args import EvalArgs, TrainArgs
from litgpt.config import Config
from litgpt.data import DataModule

_PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}


class _Tokens(DataModule):  # type: ignore[misc]
    """Random windows of a file of tokens."""

    def __init__(self, path: str, length: int, batch_size: int) -> None:
        super().__init__()
        tokens = torch.from_numpy(np.fromfile(path, dtype=np.uint16).astype(np.int64))
        self._windows = tokens.unfold(0, length + 1, 1)
        self._batch_size = batch_size

    def connect(self, *_: Any, **__: Any) -> None:
        pass

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(self._windows, batch_size=self._batch_size, shuffle=True)  # type: ignore[arg-type]

    val_dataloader = train_dataloader


def main() -> None:
    work = json.loads(sys.argv[1])
    config = Config(
        name="bench", block_size=work["block_size"], vocab_size=work["vocab_size"],
        padded_vocab_size=work["vocab_size"], n_layer=work["n_layer"], n_head=work["n_head"],
        n_embd=work["n_embd"], bias=False, parallel_residual=False, rotary_percentage=1.0,
    )  # fmt: skip
    rows, steps = work["batch_size"], work["steps"]
    pretrain.save_checkpoint = lambda *_, **__: None  # a step is measured, nothing is kept
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(printed):
        pretrain.setup(
            "bench", config, Path(folder), _PRECISIONS[work["precision"]],
            data=_Tokens(work["tokens"], work["block_size"], rows),
            train=TrainArgs(
                save_interval=None, log_interval=1, global_batch_size=rows, micro_batch_size=rows,
                max_tokens=steps * rows * work["block_size"], max_norm=1.0, min_lr=1e-4,
                lr_warmup_steps=1, tie_embeddings=False,
            ),
            eval=EvalArgs(interval=10**6, max_iters=1, final_validation=False),
            devices=1, logger_name="csv",
        )  # fmt: skip
    times = re.findall(r"iter time: ([\d.]+) ms", printed.getvalue())
    print(json.dumps([float(ms) / 1000 for ms in times]))


if __name__ == "__main__":
    main()
