"""Trains a GPT2LMHeadModel by transformers' Trainer; prints the seconds of each step as JSON.

python peer_trainer.py '{"n_layer": 6, ..., "tokens": "part-00000.bin"}'
"""

import json
import sys
import tempfile
import time
from typing import Any

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments


class _Windows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Every window of the tokens; Trainer draws from them at random."""

    def __init__(self, path: str, length: int) -> None:
        self._tokens = np.fromfile(path, dtype=np.uint16).astype(np.int64)
        self._length = length

    def __len__(self) -> int:
        return len(self._tokens) - self._length

    def __getitem__(self, start: int) -> dict[str, Any]:
        ids = torch.from_numpy(self._tokens[start : start + self._length])
        return {"input_ids": ids, "labels": ids}


class _Clock(TrainerCallback):  # type: ignore[misc]
    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._last = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now


def main() -> None:
    work = json.loads(sys.argv[1])
    model = GPT2LMHeadModel(
        GPT2Config(
            n_layer=work["n_layer"], n_head=work["n_head"], n_embd=work["n_embd"],
            n_positions=work["block_size"], vocab_size=work["vocab_size"],
            resid_pdrop=work["dropout"], embd_pdrop=work["dropout"], attn_pdrop=work["dropout"],
            bos_token_id=0, eos_token_id=0, use_cache=False,
        )
    )  # fmt: skip
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, use_cpu=True, bf16=work["precision"] == "bfloat16",
            torch_compile=work["compile"], per_device_train_batch_size=work["batch_size"],
            max_steps=work["steps"], learning_rate=1e-3, weight_decay=0.1, adam_beta2=0.99,
            max_grad_norm=1.0, lr_scheduler_type="cosine", save_strategy="no", report_to="none",
            disable_tqdm=True, logging_strategy="no", dataloader_pin_memory=False,
        )  # fmt: skip
        windows = _Windows(work["tokens"], work["block_size"])
        Trainer(model, arguments, train_dataset=windows, callbacks=[clock]).train()
    print(json.dumps(clock.seconds))


if __name__ == "__main__":
    main()
