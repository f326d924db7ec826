"""Processes that train together: one is killed, and the others end in time or begin again."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gptcli.errors import ProcessLostError
from tests.faults.command import LONGEST, HungError
from tests.faults.going_on import go_on
from tests.faults.namespaces import check_networks
from tests.faults.small_run import last_weights, saved_steps, small_run
from tests.faults.tally import NotPossibleHere, Tally

_TORCHRUN = (sys.executable, "-m", "torch.distributed.run")
_ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
# Two hosts with a cable between them; each has a process of the run. $1 is the interpreter.
_TWO_HOSTS = """
set -e
unshare -n sleep 300 & other=$!
trap 'kill $other' EXIT
sleep 0.5
there="nsenter -t $other -n"
ip link set lo up
ip link add cable0 type veth peer name cable1 netns $other
ip addr add 10.77.0.1/24 dev cable0
ip link set cable0 up
$there ip link set lo up
$there ip addr add 10.77.0.2/24 dev cable1
$there ip link set cable1 up
join="$1 -m torch.distributed.run --nnodes 2 --nproc-per-node 1 --rdzv-backend c10d"
join="$join --rdzv-id faults --rdzv-endpoint 10.77.0.1:29400"
shift
GLOO_SOCKET_IFNAME=cable1 $there $join --rdzv-conf=is_host=0 --local-addr 10.77.0.2 \
    -m gptcli train "$@" > log.second 2>&1 & second=$!
GLOO_SOCKET_IFNAME=cable0 $join --rdzv-conf=is_host=1 --local-addr 10.77.0.1 \
    -m gptcli train "$@"
wait $second
"""


def killed_peers(folder: Path, tries: int) -> Tally:
    """Kill one of two processes: the other ends by itself, and one alone goes on from its save."""
    run, chance, tally = small_run(folder), random.Random(1), Tally()
    codes = {0, ProcessLostError.exit_code}
    for number in range(tries):
        place, port = run.place(f"peer-{number}"), _free_port()
        first, second = (
            run.start(place, around=partial(_as_rank, rank, port), log=f"log.{rank}")
            for rank in (0, 1)
        )
        victim, survivor = (first, second) if number % 2 else (second, first)
        time.sleep(chance.uniform(0, 1.5 * run.seconds))
        victim.kill()
        victim.wait()  # until it is gone it has the lock of the run
        go_on(run, place, survivor, codes, tally)
    return tally


@contextmanager
def _as_rank(rank: int, port: int) -> Iterator[None]:
    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    yield


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def elastic_restarts(folder: Path, tries: int) -> Tally:
    """Kill a process of one torchrun again and again; each time both must begin again."""
    run, chance, tally = small_run(folder, steps=30 * tries), random.Random(1), Tally()
    place = run.place("elastic")
    directory = place / "runs" / "text"
    elastic = ("--nproc-per-node", "2", "--max-restarts", str(tries))
    with _started(place, (*_TORCHRUN, *elastic, "-m", "gptcli", "train", *run.words())) as torchrun:
        try:
            for _ in range(tries):
                before = max(_steps(directory), default=0)
                _until(lambda before=before: max(_steps(directory), default=0) > before)
                os.kill(chance.choice(_children(torchrun.pid)), signal.SIGKILL)
                tally.tries += 1
            _until(lambda: torchrun.poll() is not None)
        except HungError as error:
            tally.hang(f"after {tally.tries} restarts, at {_steps(directory)}: {error}")
            return tally
    if torchrun.returncode or last_weights(directory) != run.weights:
        log = (place / "log").read_text()
        tally.lose(
            f"torchrun ended with {torchrun.returncode} at {_steps(directory)}: {log[-500:]}"
        )
    return tally


def two_hosts(folder: Path, tries: int) -> Tally:
    """Train on two hosts, which are namespaces of the network with a cable between them."""
    check_networks()
    run, tally = small_run(folder), Tally()
    for number in range(tries):
        tally.tries += 1
        place = run.place(f"hosts-{number}")
        script = ("unshare", "-Urn", "bash", "-c", _TWO_HOSTS, "hosts", sys.executable)
        with _started(place, (*script, *run.words())) as hosts:
            try:
                _until(lambda: hosts.poll() is not None)
            except HungError as error:
                tally.hang(f"two hosts: {error}")
                continue
        log = "".join((place / name).read_text() for name in ("log", "log.second"))
        if hosts.returncode or last_weights(place / "runs" / "text") != run.weights:
            tally.lose(f"two hosts ended with {hosts.returncode}: {log[-800:]}")
    return tally


@contextmanager
def _started(place: Path, words: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a group of its own, of which nothing is left when the block ends."""
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=place, stdout=log, stderr=log, env=_ENVIRONMENT, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()  # torchrun ends its processes, which have groups of their own
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LONGEST)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _until(condition: Callable[[], object]) -> None:
    """Wait until something is so; HungError where it takes too long."""
    end = time.monotonic() + LONGEST
    while not condition():
        if time.monotonic() > end:
            raise HungError(f"not done after {LONGEST:.0f} s")
        time.sleep(0.02)


def _steps(directory: Path) -> list[int]:
    return [int(name[5:]) for name in saved_steps(directory)]


def _children(number: int) -> list[int]:
    file = Path(f"/proc/{number}/task/{number}/children")
    if not file.is_file():
        raise NotPossibleHere("processes are found by /proc, which is not here")
    return [int(word) for word in file.read_text().split()]
