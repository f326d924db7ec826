"""Every kind of fault that is tried, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from tests.faults import kills
from tests.faults.tally import Case

_ALL = (
    Case("kill -9 at a random time", kills.at_random_times, 3, 50),
    Case("kill -9 at each operation on files", kills.at_each_operation, 6, 1000),
)
CASES: Mapping[str, Case] = MappingProxyType({case.name: case for case in _ALL})
