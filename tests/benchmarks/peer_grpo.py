"""Trains a directory of ``gptcli train`` by TRL's GRPOTrainer; prints the seconds of iterations.

python peer_grpo.py '{"checkpoint": "runs/sums", "iterations": 8, "epochs": 4, ...}'
"""

import json
import logging
import sys
import tempfile
import time
from typing import Any

from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


class _Clock(TrainerCallback):  # type: ignore[misc]
    """The seconds of each iteration, whose answers are learnt by ``epochs`` steps."""

    def __init__(self, epochs: int) -> None:
        self.seconds: list[float] = []
        self._epochs = epochs
        self._last = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._last = time.perf_counter()

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        if state.global_step % self._epochs == 0:
            now = time.perf_counter()
            self.seconds.append(now - self._last)
            self._last = now


def _exact(completions: list[str], answer: list[str], **_: Any) -> list[float]:
    return [float(own == right) for own, right in zip(completions, answer, strict=True)]


def main() -> None:
    work = json.loads(sys.argv[1])
    logging.disable(logging.WARNING)
    tokenizer = AutoTokenizer.from_pretrained(work["checkpoint"], padding_side="left")
    tokenizer.pad_token = tokenizer.eos_token
    clock = _Clock(work["epochs"])
    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            output_dir=folder, use_cpu=True, bf16=False, gradient_checkpointing=False,
            per_device_train_batch_size=work["batch_size"],
            gradient_accumulation_steps=work["grad_accum"], num_generations=work["group_size"],
            num_iterations=work["epochs"], max_steps=work["iterations"] * work["epochs"],
            max_completion_length=work["max_new_tokens"], temperature=1.0, beta=0.0,
            loss_type="dr_grpo", scale_rewards="none", learning_rate=work["lr"],
            weight_decay=0.0, adam_beta2=0.99, save_strategy="no", report_to="none",
            disable_tqdm=True, logging_strategy="no", dataloader_pin_memory=False,
        )  # fmt: skip
        GRPOTrainer(
            AutoModelForCausalLM.from_pretrained(work["checkpoint"]), _exact, arguments,
            Dataset.from_list(work["questions"]), processing_class=tokenizer, callbacks=[clock],
        ).train()  # fmt: skip
    print(json.dumps(clock.seconds))


if __name__ == "__main__":
    main()
