"""How likely a model finds the tokens of given answers.

The one function for all who ask: the policy that writes, its update and its reference, so that
equal weights give equal digits. B rows, A tokens in the longest answer, N tokens of all answers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gptcli.config.training import Precision
from gptcli.data.answer_rows import AnswerRows
from gptcli.model.gpt import GPT
from gptcli.runtime.device import autocast


def answer_log_probabilities(
    model: GPT,
    rows: AnswerRows,
    n_ids: int,
    precision: Precision = "float32",
    never: Sequence[int] = (),
) -> Tensor:
    """The log-probability of each token of the answers (B, A), 0 behind an answer's end.

    Float32, among the ``n_ids`` ids of the tokenizer without those that it ``never`` writes: a
    model may have more.
    """
    logits = _logits(model, rows, precision)[:, :n_ids]
    if never:
        logits = logits.index_fill(1, torch.tensor(never, device=logits.device), -torch.inf)
    return by_row(_of_targets(logits.log_softmax(1), rows), rows)


def streams_before(model: GPT, rows: AnswerRows, precision: Precision = "float32") -> Tensor:
    """The normalised stream (N, C) at the token before each token of the answers.

    The model's head computes nothing for prompts and filling, and the model nothing for the last
    column, behind which no token stands.
    """
    device = model.token_embedding.weight.device
    ids = torch.from_numpy(rows.ids[:, :-1]).to(device)
    before = rows.places - 1 - rows.places // rows.ids.shape[1]  # rows are shorter by one
    with autocast(device.type, precision):
        hidden = model.hidden(ids)  # (B, T - 1, C)
    return hidden.flatten(0, 1).index_select(0, torch.from_numpy(before).to(device))


def by_row(values: Tensor, rows: AnswerRows) -> Tensor:
    """Numbers of all answers' tokens, (N,) -> (B, A), 0 behind an answer's end."""
    mask = torch.from_numpy(rows.mask).to(values.device)
    return values.new_zeros(mask.shape).masked_scatter(mask, values)


def _logits(model: GPT, rows: AnswerRows, precision: Precision) -> Tensor:
    """The logits (N, V) for each token of the answers, in float32."""
    stream = streams_before(model, rows, precision)
    with autocast(stream.device.type, precision):
        return model.read_out(stream).float()


def _of_targets(table: Tensor, rows: AnswerRows) -> Tensor:
    """The entries (N,) of a table (N, ids) at the answers' own tokens."""
    targets = torch.from_numpy(rows.ids.reshape(-1)[rows.places]).to(table.device)
    return table.gather(1, targets[:, None])[:, 0]
