"""A model to count: by which accounting, for which workloads, and within which limits."""

from dataclasses import dataclass

from gptcli.accounting.parameters import Row, parameter_rows
from gptcli.accounting.scorekeeping import chapter_rows
from gptcli.accounting.workload import Workload
from gptcli.commands.count_params.command import CountRequest
from gptcli.commands.count_params.model_choice import ModelSource, choose_source, resize
from gptcli.commands.view.terminal import note
from gptcli.config.model import ModelConfig


@dataclass(frozen=True)
class Account:
    """A model and what to count of it.

    ``works`` has a workload for each context length, the model's own if none was given.
    """

    source: ModelSource
    accounting: str
    works: tuple[Workload, ...]
    train_tokens: int | None = None
    device_flops: int | None = None
    gpu_mem: int | None = None

    @property
    def name(self) -> str:
        """The name of the model in the output."""
        return self.source.name

    @property
    def config(self) -> ModelConfig:
        """The model's shape."""
        return self.source.config

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of the chosen accounting."""
        count = chapter_rows if self.accounting == "3b1b" else parameter_rows
        return count(self.config)

    @property
    def total(self) -> int:
        """The sum of the rows."""
        return sum(row.params for row in self.rows)


def plain_account(source: ModelSource, accounting: str) -> Account:
    """A model at its own context, without any limits."""
    return Account(source, accounting, (Workload(source.config.block_size),))


def asked_account(request: CountRequest) -> Account:
    """The model that the flags name and resize, with its workloads and limits."""
    source = choose_source(
        request.preset, request.checkpoint, request.model_config, request.explain
    )
    source = resize(source, request.sizes)
    return Account(source, request.accounting, _works(request, source), **request.limits)


def _works(request: CountRequest, source: ModelSource) -> tuple[Workload, ...]:
    own, contexts = source.config.block_size, request.contexts
    if any(context > own for context in contexts):
        note(f"{source.name} has a context of {own:,}: longer ones are counted as if it had them")
    values = request.given("dtype", "precision")
    if request.batch_size is not None:
        values["batch"] = request.batch_size
    if source.stored is not None:
        values.setdefault("dtype", source.stored.dtype)
    return tuple(Workload(context, **values) for context in contexts or (own,))
