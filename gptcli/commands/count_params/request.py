"""What count-params was asked, understood: the model, the work it is to do, the limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gptcli.accounting.workload import Workload
from gptcli.commands.count_params.flags import SIZES, WORK
from gptcli.commands.count_params.quantities import (
    parse_bytes,
    parse_contexts,
    parse_speed,
    parse_tokens,
)
from gptcli.commands.count_params.source import Source, choose_source, resize
from gptcli.commands.view.terminal import note


@dataclass(frozen=True)
class Request:
    """One model and what is to be shown of it.

    ``works`` has an entry per context length, the model's own if none was named.
    ``asks_costs`` is whether any flag was about the work.
    """

    source: Source
    accounting: str
    works: tuple[Workload, ...]
    asks_costs: bool
    train_tokens: int | None = None
    device_flops: int | None = None
    gpu_mem: int | None = None
    explain: bool = False
    verify: bool = False


def plain_request(source: Source, accounting: str) -> Request:
    """A model at its own context, nothing more asked."""
    return Request(source, accounting, _works({}, source, ()), asks_costs=False)


def read_request(given: Mapping[str, Any], accounting: str) -> Request:
    """The request that the flags make; UsageError where they cannot be meant."""
    explain = bool(given.get("explain"))
    limits = {
        name: parse(given[name])
        for name, parse in (
            ("train_tokens", parse_tokens),
            ("device_flops", parse_speed),
            ("gpu_mem", parse_bytes),
        )
        if name in given
    }
    contexts = parse_contexts(given["context"]) if "context" in given else ()
    named = (given.get("preset"), given.get("checkpoint"), given.get("model_config"))
    source = choose_source(*named, explain)
    source = resize(source, {name: given[name] for name in SIZES if name in given})
    return Request(
        source=source,
        accounting=accounting,
        works=_works(given, source, contexts),
        asks_costs=any(name in given for name in WORK),
        explain=explain,
        verify=bool(given.get("verify")),
        **limits,
    )


def _works(
    given: Mapping[str, Any], source: Source, contexts: tuple[int, ...]
) -> tuple[Workload, ...]:
    own = source.config.block_size
    if any(context > own for context in contexts):
        note(f"{source.name} has a context of {own:,}: longer ones are counted as if it went on")
    values = {name: given[name] for name in ("batch", "dtype", "precision") if name in given}
    if source.stored is not None:
        values.setdefault("dtype", source.stored.dtype)
    return tuple(Workload(context, **values) for context in contexts or (own,))
