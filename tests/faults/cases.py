"""Every kind of fault that is tried, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from tests.faults import damage, disks, headers, kills, processes
from tests.faults.fuzzing import fuzzed
from tests.faults.record_files import RECORD_FILES
from tests.faults.tally import Case
from tests.faults.text_files import TEXT_FILES
from tests.faults.tokenizer_files import TOKENIZER_FILES

_READERS = {**TOKENIZER_FILES, **RECORD_FILES, **TEXT_FILES}
_ALL = (
    Case("kill -9 at a random time", kills.at_random_times, 3, 50),
    Case("kill -9 at each operation on files", kills.at_each_operation, 6, 1000),
    Case("a killed peer of two", processes.killed_peers, 2, 20),
    Case("restarts by torchrun", processes.elastic_restarts, 0, 20),
    Case("two hosts with a cable", processes.two_hosts, 1, 3),
    Case("disks that fill up", disks.full_disks, 4, 60),
    Case("limits for the size of files", disks.file_limits, 2, 40),
    Case("token files cut to every length", damage.cut_shards, 100, 100_000),
    Case("bits of the newest save", damage.flips_in_a_save, 80, 5000),
    Case("bits of a run's model", damage.flips_in_a_run, 80, 5000),
    Case("bits of a run's record", damage.flips_in_a_record, 60, 100_000),
    Case("bits of a dataset", damage.flips_in_a_dataset, 60, 5000),
    Case("hostile headers of safetensors", headers.refused_quickly, 100, 100),
    *(Case(f"damaged {name}", fuzzed(target), 60, 5000) for name, target in _READERS.items()),
)
CASES: Mapping[str, Case] = MappingProxyType({case.name: case for case in _ALL})
