"""The workload of a model, on which its memory depends."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from gptcli.config.checks import check_choice, check_whole
from gptcli.config.training import PRECISIONS, Precision

DTYPES: Mapping[str, int] = MappingProxyType(
    {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "float64": 8}
)
"""Bytes of one number of each type."""

LARGEST = 10**9
"""The most sequences, and the most tokens in a sequence."""


@dataclass(frozen=True)
class Workload:
    """``batch`` sequences of ``context`` tokens at once.

    ``dtype`` is that of weights and cache in generation; training holds its weights in
    float32 and takes matrix products in ``precision``, its blocks ``compiled`` or not, with the
    kernels of a CPU or of a GPU. ``whole_logits``: a CPU has those of all tokens at once, too.
    """

    context: int
    batch: int = 1
    dtype: str = "bfloat16"
    precision: Precision = "float32"
    compiled: bool = False
    on_cpu: bool = True
    whole_logits: bool = False

    def __post_init__(self) -> None:
        check_whole("context", self.context, 1, LARGEST)
        check_whole("batch_size", self.batch, 1, LARGEST)
        check_choice("dtype", self.dtype, tuple(DTYPES))
        check_choice("precision", self.precision, PRECISIONS)

    @property
    def tokens(self) -> int:
        """Tokens of all sequences together."""
        return self.batch * self.context

    @property
    def value_bytes(self) -> int:
        """Bytes of a weight, a key or a value in generation."""
        return DTYPES[self.dtype]

    def with_batch(self, batch: int) -> "Workload":
        """The same with another number of sequences."""
        return replace(self, batch=batch)

    def with_context(self, context: int) -> "Workload":
        """The same with sequences of another length."""
        return replace(self, context=context)
