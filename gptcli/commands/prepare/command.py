"""``gptcli prepare``: from texts to a dataset."""

from pathlib import Path
from typing import Any

import typer

from gptcli.commands.legacy_options import Json
from gptcli.commands.prepare import flags as flags
from gptcli.commands.view.legacy import deliver
from gptcli.config.checks import flag
from gptcli.config.data import SEED, VAL_FRACTION
from gptcli.errors import UsageError


def prepare(
    context: typer.Context,
    source: flags.Sources = None,
    out: flags.DatasetOut = None,
    overwrite: flags.ReplaceDataset = False,
    workers: flags.Workers = None,
    tokenizer: flags.TokenizerName = "char",
    vocab_size: flags.VocabSize = None,
    pattern: flags.Pattern = None,
    special_token: flags.SpecialTokens = None,
    unk: flags.Unk = False,
    field: flags.Field = None,
    errors: flags.Errors = "strict",
    skip_bad: flags.SkipBad = 0,
    val_fraction: flags.ValFraction = VAL_FRACTION,
    split_by: flags.SplitByName = None,
    shuffle: flags.Shuffle = False,
    seed: flags.Seed = SEED,
    digits: flags.Digits = 3,
    reverse: flags.Reverse = False,
    count: flags.Count = None,
    plan: flags.MakePlan = False,
    shard: flags.ShardOf = None,
    merge: flags.Merge = False,
    verify: flags.Verify = None,
    list_sources: flags.ListSources = False,
    json: Json = False,
) -> None:
    """Turn texts into a dataset: tokens to train on, tokens to validate with.

    One text is cut in two: its end validates. In a collection every document is followed by an
    end-of-text token, and whole documents validate. Of records with a prompt and a completion
    the loss counts on the completion alone.
    """
    given = {**locals()}  # not context.params, which hold them before typer has converted them
    mode = _mode(plan, shard, merge, verify, list_sources)
    if mode not in ("", "--plan"):
        _refuse_the_rest(context, mode)
    if list_sources:
        from gptcli.commands.prepare.summary import listed_sources

        deliver(listed_sources(json), None)
    elif verify is not None:
        _verify(verify, json)
    elif shard is not None or merge:
        _continue(mode, out, shard, workers, overwrite, json)
    else:
        _begin(given, json)


def _mode(
    plan: bool, shard: str | None, merge: bool, verify: Path | None, list_sources: bool
) -> str:
    """The one thing to do that is not preparing in one go; UsageError for two of them."""
    wanted = {
        "--plan": plan,
        "--shard": shard is not None,
        "--merge": merge,
        "--verify": verify is not None,
        "--list-sources": list_sources,
    }
    asked = [name for name, is_asked in wanted.items() if is_asked]
    if len(asked) > 1:
        raise UsageError(f"{' and '.join(asked)} exclude each other: one at a time")
    return asked[0] if asked else ""


def _refuse_the_rest(context: typer.Context, mode: str) -> None:
    """UsageError for what the plan has decided, or what has no meaning in this mode."""
    allowed = {"out", "overwrite", "workers", "json", mode.strip("-").replace("-", "_")}
    allowed |= {"quiet", "verbose", "debug"}
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in allowed and source is not None and source.name == "COMMANDLINE":
            what = "SOURCE" if name == "source" else flag(name)
            raise UsageError(f"{mode} and {what} exclude each other: leave {what} out")


def _begin(given: dict[str, Any], json: bool) -> None:
    from gptcli.commands.prepare.run import plan, prepare_now, request_of

    request = request_of(given)
    (plan if given["plan"] else prepare_now)(request, given["out"], given["overwrite"], json)


def _continue(
    mode: str, out: Path | None, shard: str | None, workers: int | None, overwrite: bool, json: bool
) -> None:
    from gptcli.commands.prepare.run import encode_shard, merge_shards

    if out is None:
        raise UsageError(f"{mode} needs the --out that the plan was made with, as --out data/big")
    if shard is not None:
        encode_shard(out, shard, workers, json)
    else:
        merge_shards(out, overwrite, json)


def _verify(directory: Path, json: bool) -> None:
    from gptcli.commands.prepare.summary import verified
    from gptcli.commands.view.progress import progress
    from gptcli.data.preparation.verify import verify_dataset

    with progress("verifying", None, "bytes") as advance:
        result = verify_dataset(directory, advance)
    deliver(verified(result, json), None)
