"""``gptcli count-params``: where the parameters are and what they cost, without any weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gptcli.commands.options import Json, Out, Overwrite
from gptcli.config.checks import flag
from gptcli.errors import UsageError

_FORMATS = ("table", "json", "csv", "md")


def _option(panel: str, help_text: str, *flags: str, **more: Any) -> Any:
    return typer.Option(*flags, help=help_text, rich_help_panel=panel, show_default=False, **more)


_WHICH, _SIZE, _SHOW = "Which model", "Change its size", "What to show"

_Preset = Annotated[str | None, _option(_WHICH, "A named model, such as gpt2 or gpt3.")]
_Checkpoint = Annotated[
    Path | None, _option(_WHICH, "A run, Hugging Face directory or hub id. Default: newest run.")
]
_ConfigFile = Annotated[Path | None, _option(_WHICH, "A config.json.")]
_Diff = Annotated[
    tuple[str, str] | None,
    _option(_WHICH, "Compare two: presets, runs or config.json files.", metavar="A B"),
]
_ListPresets = Annotated[bool, _option(_WHICH, "List the named models.", "--list-presets")]
_Layers = Annotated[int | None, _option(_SIZE, "Number of blocks.")]
_Heads = Annotated[int | None, _option(_SIZE, "Heads in a block.")]
_KeyHeads = Annotated[int | None, _option(_SIZE, "Heads of keys and values in a block.")]
_Width = Annotated[int | None, _option(_SIZE, "Width of the residual stream.")]
_Block = Annotated[int | None, _option(_SIZE, "Context in tokens.")]
_Vocabulary = Annotated[int | None, _option(_SIZE, "Tokens in the vocabulary.")]
_Tied = Annotated[
    bool | None,
    _option(_SIZE, "Whether token embedding and unembedding are one.", "--tied/--untied"),
]
_Accounting = Annotated[
    str, _option(_SHOW, "exact (default), or 3b1b: as chapter 6 of 3Blue1Brown's series counts.")
]
_Context = Annotated[
    str | None, _option(_SHOW, "Costs at these lengths: 1k,2k,8k, where 1k is 1,024.")
]
_Explain = Annotated[
    bool, _option(_SHOW, "Why 124M, 163M and 117M are all called GPT-2.", "--explain")
]
_Format = Annotated[str, _option(_SHOW, "table (default), json, csv (one table) or md.")]


def count_params(
    preset: _Preset = None,
    checkpoint: _Checkpoint = None,
    model_config: _ConfigFile = None,
    diff: _Diff = None,
    list_presets: _ListPresets = False,
    n_layer: _Layers = None,
    n_head: _Heads = None,
    n_kv_head: _KeyHeads = None,
    n_embd: _Width = None,
    block_size: _Block = None,
    vocab_size: _Vocabulary = None,
    tied: _Tied = None,
    accounting: _Accounting = "exact",
    context: _Context = None,
    explain: _Explain = False,
    format: _Format = "table",
    json: Json = False,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Count a GPT's parameters, matrix by matrix, and what it costs to run and to train."""
    from gptcli.commands import params_answer as answers
    from gptcli.commands import params_source as sources
    from gptcli.commands.params_view import ACCOUNTINGS
    from gptcli.config.checks import check_choice

    check_choice("format", format, _FORMATS)
    check_choice("accounting", accounting, ACCOUNTINGS)
    sizes = {"n_layer": n_layer, "n_head": n_head, "n_kv_head": n_kv_head, "n_embd": n_embd}
    sizes |= {"block_size": block_size, "vocab_size": vocab_size, "tied": tied}
    named = {"preset": preset, "checkpoint": checkpoint, "model_config": model_config}
    extras = {**named, **sizes, "context": context, "explain": explain or None}
    if list_presets:
        _refuse("--list-presets", {**extras, "diff": diff})
        answer = answers.presets_answer()
    elif diff is not None:
        _refuse("--diff", extras)
        first, second = (sources.named_source(name) for name in diff)
        answer = answers.diff_answer(first, second, accounting)
    else:
        source = sources.resize(
            sources.choose_source(preset, checkpoint, model_config, explain), sizes
        )
        answer = answers.count_answer(source, accounting, sources.parse_contexts(context), explain)
    answers.give(answer, "json" if json else format, out, overwrite)


def _refuse(name: str, others: Mapping[str, object]) -> None:
    """UsageError if one of ``others`` was given beside ``name``, which makes no use of it."""
    given = [other for other, value in others.items() if value is not None]
    if given:
        raise UsageError(f"{name} makes no use of {flag(given[0])}: leave one of them out")
