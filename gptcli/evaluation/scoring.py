"""What a reward or value model says of answers: one number for a position of a row.

B rows, A tokens in the longest answer, N tokens of all answers.
"""

import torch
from torch import Tensor

from gptcli.config.training import Precision
from gptcli.data.answer_rows import AnswerRows
from gptcli.evaluation.log_probabilities import by_row, streams_before
from gptcli.model.gpt import GPT
from gptcli.runtime.device import autocast


def answer_scores(model: GPT, rows: AnswerRows, precision: Precision = "float32") -> Tensor:
    """The score of each answer (B,), read at its last token: the end token, where it has one.

    The head computes in float32 whatever the precision, for bfloat16 has three digits.
    """
    device = model.token_embedding.weight.device
    ids, last = (torch.from_numpy(one).to(device) for one in (rows.ids, rows.ends - 1))
    with autocast(device.type, precision):
        hidden = model.hidden(ids)  # (B, T, C)
    stream = hidden[torch.arange(len(rows), device=device), last]
    return model.read_out(stream.float())[:, 0]


def answer_values(model: GPT, rows: AnswerRows) -> Tensor:
    """The value before each token of the answers (B, A), 0 behind an answer's end.

    It is read at the token before, for it says what is still to be earned, that token included.
    """
    return by_row(model.read_out(streams_before(model, rows))[:, 0], rows)
