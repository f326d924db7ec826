"""Runs ``count-params``: counts one model, compares two, or lists the presets."""

from typing import NoReturn

from gptcli.accounting.parameters import Row, parameter_rows
from gptcli.commands.count_params.account import Account, asked_account, plain_account
from gptcli.commands.count_params.command import CountRequest
from gptcli.commands.count_params.cost_tables import cost_figures, cost_tables
from gptcli.commands.count_params.count_documents import (
    PARAMS_SCHEMA,
    count_document,
    diff_document,
    presets_document,
)
from gptcli.commands.count_params.count_tables import count_tables, explanation_table, rows_table
from gptcli.commands.count_params.model_choice import named_source
from gptcli.commands.count_params.model_diff import diff_table, diff_tables, presets_table
from gptcli.commands.count_params.treemap_picture import draw_treemap
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.terminal import note
from gptcli.errors import CheckpointError, UsageError


def run(request: CountRequest) -> Answer:
    """Count as the flags say."""
    if request.list_presets:
        tables = (presets_table(),)
        return Answer("gptcli.presets/1", presets_document, tables, picture=_no_picture)
    if request.diff is not None:
        return _diff(
            *(plain_account(named_source(name), request.accounting) for name in request.diff)
        )
    return _count(request, asked_account(request))


def _diff(a: Account, b: Account) -> Answer:
    return Answer(
        "gptcli.params-diff/1",
        lambda: diff_document(a, b),
        diff_tables(a, b),
        csv=diff_table(a, b),
        picture=_no_picture,
    )


def _count(request: CountRequest, account: Account) -> Answer:
    """Count one model; costs are left out beside the chapter's count unless asked for."""
    verified = _verify(account) if request.verify else None
    tables = count_tables(account)
    if request.asks_costs or account.accounting == "exact":
        tables += cost_tables(account, request.asks_costs)
    if request.explain:
        tables.append(explanation_table())

    return Answer(
        PARAMS_SCHEMA,
        lambda: count_document(account, request.explain, verified),
        tables,
        csv=cost_figures(account) if request.asks_costs else rows_table(account),
        picture=lambda: draw_treemap(account),
    )


def _no_picture() -> NoReturn:
    raise UsageError("A figure shows a single model: try --preset gpt2, or --format md")


def _verify(account: Account) -> int:
    """Compare the rows with the model that torch builds; returns how many there are.

    CheckpointError where one differs.
    """
    from gptcli.inspection.built import disagreements  # noqa: PLC0415  torch, for --verify alone

    rows = parameter_rows(account.config)
    for wrong in disagreements(account.config, rows):
        raise CheckpointError(
            f"{account.name}: {wrong.name} was counted as {_shown(wrong.counted)} but built as "
            f"{_shown(wrong.built)}: please report it"
        )
    note(f"verified: all {len(rows)} rows agree with the model that torch builds")
    return len(rows)


def _shown(row: Row | None) -> str:
    return "nothing" if row is None else f"{row.copies:,} of {list(row.shape)}"
