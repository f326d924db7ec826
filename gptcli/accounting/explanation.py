"""Why 124M, 163M and 117M are all called GPT-2: each figure computed, with what it counts."""

from dataclasses import dataclass, replace

from gptcli.accounting.parameters import count_totals, exact_count, is_norm, parameter_rows
from gptcli.config.model import ModelConfig
from gptcli.families.registry import PRESETS

_GPT1_VOCAB = 40478
_GPT1_CONTEXT = 512


@dataclass(frozen=True)
class Name:
    """A number by which GPT-2's smallest model is known, and what it counts."""

    params: int
    why: str


def names_of_gpt2() -> tuple[Name, ...]:
    """The counts by which GPT-2 is known, beginning with that of the model as built."""
    gpt2 = PRESETS["gpt2"].model
    totals = count_totals(gpt2)
    no_qkv_bias = exact_count(replace(gpt2, tied=False, qkv_bias=False))
    masks = gpt2.n_layer * gpt2.block_size**2
    return (
        Name(totals.tied, "exact: one matrix embeds tokens and makes the logits (tied)"),
        Name(totals.untied, "untied: that matrix counted twice, as a sum over all layers does"),
        Name(no_qkv_bias, "untied, and without biases for query, key and value"),
        Name(totals.weights_only, "untied, matrices only: no positions, biases or norms"),
        Name(
            totals.tied + masks,
            f"exact and {masks:,} entries of causal masks (not parameters)",
        ),
        Name(totals.non_embedding, "without the embeddings of tokens and positions"),
        Name(_gpt1_count(gpt2), _why_117()),
    )


def _gpt1_count(gpt2: ModelConfig) -> int:
    """GPT-1: the same blocks, a smaller vocabulary and context, and no final norm."""
    gpt1 = replace(gpt2, vocab_size=_GPT1_VOCAB, block_size=_GPT1_CONTEXT)
    rows = parameter_rows(gpt1)
    final_norm = sum(row.params for row in rows if is_norm(row.name) and row.copies == 1)
    return exact_count(gpt1) - final_norm


def _why_117() -> str:
    # Radford et al. 2019, table 2; the correction: README of github.com/openai/gpt-2.
    return (
        f"GPT-1 ({_GPT1_VOCAB:,} tokens, context {_GPT1_CONTEXT}): the GPT-2 paper prints 117M "
        "for its own smallest model, which its authors later called an error"
    )
