"""``gptcli count-params``: where the parameters are and what they cost, without any weights."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gptcli.commands.count_params.flags import ACCOUNTINGS, FORMATS, params_flags
from gptcli.commands.options import Json, Out, Overwrite, with_options
from gptcli.config.checks import check_choice, flag
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from gptcli.commands.count_params.run import Answer


def _count_params(
    json: Json = False, out: Out = None, overwrite: Overwrite = False, **flags: Any
) -> None:
    """Count a GPT's parameters, matrix by matrix, and what it costs to run and to train.

    Reads the configuration alone, of a checkpoint also the files' headers, never weights.
    """
    from gptcli.commands.count_params.run import give

    given = {name: value for name, value in flags.items() if value is not None}
    form = "json" if json else given.pop("format", FORMATS[0])
    accounting = given.pop("accounting", ACCOUNTINGS[0])
    check_choice("format", form, FORMATS)
    check_choice("accounting", accounting, ACCOUNTINGS)
    give(_answer(given, accounting), form, out, overwrite)


count_params = with_options(_count_params, params_flags(), None)


def _answer(given: dict[str, Any], accounting: str) -> "Answer":
    from gptcli.commands.count_params import run as answers

    if given.pop("list_presets", False):
        _refuse("--list-presets", given)
        return answers.presets_answer()
    if diff := given.pop("diff", None):
        from gptcli.commands.count_params.source import named_source

        _refuse("--diff", given)
        return answers.diff_answer(named_source(diff[0]), named_source(diff[1]), accounting)
    from gptcli.commands.count_params.request import read_request

    return answers.count_answer(read_request(given, accounting))


def _refuse(name: str, others: Mapping[str, object]) -> None:
    """UsageError if anything was given beside ``name``, which makes no use of it."""
    for other in others:
        raise UsageError(f"{name} makes no use of {flag(other)}: leave one of them out")
