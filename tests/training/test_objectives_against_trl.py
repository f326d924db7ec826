"""Losses and figures of the objectives against TRL's trainers, on our directories and its records.

The first use of TRL in a process takes seconds, so all that asks it is here.
"""

import json
import random
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.data import PrepareConfig
from gptcli.config.model import ModelConfig
from gptcli.data.answer_rows import AnswerRows, rows_of_pairs
from gptcli.data.chat.chat_template import BUILT_IN_TEMPLATE, BUILT_IN_TOKENS
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.data.questions import pairs_of
from gptcli.evaluation.log_probabilities import answer_log_probabilities
from gptcli.evaluation.pair_rewards import PairFigures
from gptcli.evaluation.scoring import answer_scores
from gptcli.families.registry import FAMILIES
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer
from gptcli.training.losses import clipped_share, group_policy_losses, implicit_rewards

CLIP, BETA = 0.2, 0.3
CHARACTERS = "abcdefghijklmnopqrstuvwxyz ?."


def trl_group_policy(lp: Tensor, old: Tensor, ref: Tensor, mask: Tensor, **given: object) -> Tensor:
    """GRPOTrainer._compute_loss as loss_type dr_grpo, on log-probabilities that are given."""
    from trl.trainer.grpo_trainer import GRPOTrainer

    beta, clipped = given["beta"], given["clipped"]
    trainer = SimpleNamespace(
        loss_type="dr_grpo",
        beta=beta,
        args=SimpleNamespace(use_bias_correction_kl=True, delta=None),
        epsilon_low=CLIP,
        epsilon_high=CLIP,
        importance_sampling_level="token",
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        aux_loss_enabled=False,
        use_vllm=False,
        _entropy_bonus_enabled=False,
        max_completion_length=given["max_new_tokens"],
        current_gradient_accumulation_steps=1,
        model=SimpleNamespace(training=True),
        accelerator=SimpleNamespace(gather=lambda x: x, reduce=lambda x, reduction: x),
        _metrics={"train": defaultdict(list)},
        _get_per_token_logps_and_entropies=lambda *_, **__: (lp, torch.zeros_like(lp), None),
    )
    filler = torch.zeros(len(lp), 1, dtype=torch.long)
    inputs = {
        "prompt_ids": filler,
        "prompt_mask": filler,
        "completion_ids": torch.zeros(lp.shape, dtype=torch.long),
        "completion_mask": mask.long(),
        "advantages": given["advantages"],
        "old_per_token_logps": old,
        "ref_per_token_logps": ref,
    }
    loss: Tensor = GRPOTrainer._compute_loss(trainer, None, inputs)
    clipped += trainer._metrics["train"]["clip_ratio/region_mean"]
    return loss


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_grpo_has_the_loss_and_the_gradient_of_trl(beta: float) -> None:
    generator = torch.Generator().manual_seed(4)
    lp, old, ref = (torch.randn(6, 7, generator=generator) / 2 - 2 for _ in range(3))
    mask = torch.arange(7) < torch.tensor([7, 3, 1, 5, 2, 7])[:, None]
    advantages = torch.tensor([0.5, -0.5, 1.0, -1.0, 0.0, 0.25])
    ratio = (lp - old).exp()[mask]
    assert min((ratio > 1 + CLIP).sum(), (ratio < 1 - CLIP).sum(), (ratio - 1).abs().lt(0.2).sum())
    found, clipped = [], list[float]()
    for is_trl in (True, False):
        at = lp.clone().requires_grad_()
        if is_trl:
            given = {"beta": beta, "advantages": advantages, "max_new_tokens": 9}
            loss = trl_group_policy(at, old, ref, mask, clipped=clipped, **given)
        else:
            losses = group_policy_losses(at, old, mask, advantages, CLIP, ref, beta)
            loss = losses.sum() / (6 * 9)
        loss.backward()
        found.append((loss.detach(), at.grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-7)
    assert found[0][1].abs().max() > 0.01
    share = clipped_share(lp, old, mask, advantages[:, None], CLIP)
    assert [share.item()] == pytest.approx(clipped)


Record = dict[str, list[dict[str, str]]]


def ranked_answers(count: int = 12) -> list[Record]:
    """Records as TRL has them: answers of all lengths, some with a system message before."""
    draw = random.Random(1)
    text = lambda: "".join(draw.choices(CHARACTERS, k=draw.randint(1, 12)))  # noqa: E731
    turn = lambda role: [{"role": role, "content": text()}]  # noqa: E731
    return [
        {
            "prompt": turn("system") * (number % 3 == 0) + turn("user"),
            "chosen": turn("assistant"),
            "rejected": turn("assistant"),
        }
        for number in range(count)
    ]


def prepared(records: list[Record], tokenizer: Tokenizer, folder: Path) -> AnswerRows:
    """The rows of a dataset that `prepare` makes of these records, with their chat template."""
    source = folder / "records.jsonl"
    source.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    config = PrepareConfig(val_fraction=0.0)
    split = prepare(Preparation([str(source)], tokenizer, config=config), folder / "data").train
    return rows_of_pairs(split, pairs_of(split))


@pytest.fixture(scope="module", params=["with", "without"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    """Characters and the tokens of chats, with or without a token to pad with."""
    padding = ("<|endoftext|>",) if request.param == "with" else ()
    whole = character_tokenizer(CHARACTERS).extended((*padding, *BUILT_IN_TOKENS))
    whole.chat_template = BUILT_IN_TEMPLATE
    return whole


def moved(model: GPT, seed: int) -> GPT:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def saved(model: GPT, tokenizer: Tokenizer, directory: Path) -> str:
    directory.mkdir()
    write_description(directory, model.config, tokenizer)
    save_weights(directory / "model.safetensors", dict(model.named_parameters()), model.config)
    return str(directory)


def sizes_for(tokenizer: Tokenizer) -> ModelConfig:
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 64}
    return ModelConfig(**{**FAMILIES["llama"].switches, **sizes}, vocab_size=tokenizer.vocab_size)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """What TRL needs to evaluate on this machine, in float32, and to write nothing of value."""
    return {
        "output_dir": str(tmp_path / "trl"),
        "per_device_eval_batch_size": 4,
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


def test_a_reward_model_has_the_loss_accuracy_and_margin_of_trl(
    tokenizer, settings, tmp_path: Path
) -> None:
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    model = moved(new_model(sizes_for(tokenizer).scoring(), 1), 2)
    records = ranked_answers()
    with torch.no_grad():
        rewards = (
            answer_scores(model, prepared(records, tokenizer, tmp_path)).double().view(2, -1).T
        )
    ours = PairFigures.of(rewards.numpy())
    data = Dataset.from_list(records)
    trainer = RewardTrainer(
        model=saved(model, tokenizer, tmp_path / "reward"),
        args=RewardConfig(**settings),
        train_dataset=data,
        eval_dataset=data,
    )
    theirs = trainer.evaluate()
    found = [theirs[f"eval_{name}"] for name in ("loss", "accuracy", "margin")]
    assert found == pytest.approx([ours.loss, ours.accuracy, ours.margin], abs=1e-5)
    assert 0 < ours.accuracy < 1


def test_dpo_has_the_loss_accuracy_and_margin_of_trl(tokenizer, settings, tmp_path: Path) -> None:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import DPOConfig, DPOTrainer

    config, records = sizes_for(tokenizer), ranked_answers()
    reference = moved(new_model(config, 1), 2)
    model = moved(new_model(config, 1), 2)
    moved(model, 3)
    rows = prepared(records, tokenizer, tmp_path)
    with torch.no_grad():
        lp, ref = (
            answer_log_probabilities(one, rows, tokenizer.vocab_size) for one in (model, reference)
        )
    rewards = implicit_rewards(lp, ref, torch.from_numpy(rows.mask), BETA)
    ours = PairFigures.of(rewards.double().view(2, -1).T.numpy())
    data = Dataset.from_list(records)
    trainer = DPOTrainer(
        model=saved(model, tokenizer, tmp_path / "policy"),
        ref_model=AutoModelForCausalLM.from_pretrained(
            saved(reference, tokenizer, tmp_path / "reference"), dtype=torch.float32
        ),
        args=DPOConfig(beta=BETA, model_init_kwargs={"dtype": torch.float32}, **settings),
        train_dataset=data,
        eval_dataset=data,
    )
    theirs = trainer.evaluate()
    names = ("loss", "rewards/accuracies", "rewards/margins", "rewards/chosen", "rewards/rejected")
    expected = [ours.loss, ours.accuracy, ours.margin, ours.chosen, ours.rejected]
    assert [theirs[f"eval_{name}"] for name in names] == pytest.approx(expected, abs=1e-5)
    assert 0 < ours.accuracy < 1
