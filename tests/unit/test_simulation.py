"""The model of many nodes: queues against closed forms, limits, and what is read from a trace."""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest
import simulate_fleet
from simulating.count import Trace, mapped_bytes, requests_for
from simulating.queues import cycle_times
from simulating.storage import LOCAL, LUSTRE, NFS, Storage
from simulating.work import NODES, Work, read_counts, seconds, ways

COUNTS = read_counts()


@pytest.mark.parametrize("nodes", [1, 2, 5, 40])
def test_one_queue_agrees_with_the_machine_repairman(nodes: int) -> None:
    """M/M/1 with a finite source: the throughput follows from the probability that the server is idle."""
    delay, service = 3.0, 0.5
    ratio = service / delay
    weights = [math.perm(nodes, busy) * ratio**busy for busy in range(nodes + 1)]
    throughput = (1 - weights[0] / sum(weights)) / service
    assert cycle_times(delay, [service], nodes)[-1] == pytest.approx(nodes / throughput)


def test_limits_of_the_queues() -> None:
    alone, *_, crowded = cycle_times(2.0, [0.25, 0.01], 4096)
    assert alone == pytest.approx(2.26)
    assert crowded == pytest.approx(4096 * 0.25, rel=0.01)  # the slower server is busy all the time
    assert cycle_times(2.0, [], 3) == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("storage", [NFS, LUSTRE])
def test_more_nodes_never_make_it_faster(storage: Storage) -> None:
    for times in ways(COUNTS, storage, NODES[-1]).values():
        assert all(after >= before for before, after in pairwise(times))
    found = ways(COUNTS, storage, NODES[-1])
    # What the servers do for one node bounds what they do for all of them.
    work = COUNTS.direct
    least = NODES[-1] * max(work.operations / storage.operations_per_s, work.size_bytes / storage.bytes_per_s)
    assert least <= found["direct"][-1] <= least + found["direct"][0] * 2
    assert found["staged, later imports"][0] == found["staged, later imports"][-1]


def test_a_faster_file_system_is_faster_and_less_work_is_less() -> None:
    slower = Storage("slow", NFS.latency_s * 2, NFS.operations_per_s / 2, NFS.bytes_per_s, NFS.node_bytes_per_s)
    assert all(a > b for a, b in zip(seconds(COUNTS.direct, slower, 64), seconds(COUNTS.direct, NFS, 64), strict=True))
    nothing = Work(0, 0, 0, 0, 0, processor_s=1.5)
    assert seconds(nothing, NFS, 64) == [1.5] * 64
    assert seconds(COUNTS.direct, LOCAL, 64)[63] == seconds(COUNTS.direct, LOCAL, 1)[0]


def test_counts_are_what_they_say() -> None:
    assert COUNTS.direct.opens > 500
    assert COUNTS.direct.lookups >= COUNTS.direct.opens
    assert COUNTS.packed.lookups == COUNTS.copy.opens == 1
    assert COUNTS.copy.size_bytes < COUNTS.unpacked_bytes
    assert "strace" in COUNTS.made["how"]


TRACE = """\
12 openat(AT_FDCWD, "/env/lib/a.py", O_RDONLY|O_CLOEXEC) = 3
12 read(3, ""..., 300) = 300
12 read(3, "", 8192) = 0
12 close(3)      = 0
12 newfstatat(AT_FDCWD, "/env/lib/b.py", 0x7ffc, 0) = -1 ENOENT (No such file or directory)
12 newfstatat(AT_FDCWD, "/env/lib/b.py", 0x7ffc, 0) = -1 ENOENT (No such file or directory)
12 openat(AT_FDCWD, "/env/lib", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY) = 3
12 getdents64(3, 0x55 /* 20 entries */, 32768) = 640
12 getdents64(3, 0x55 /* 0 entries */, 32768) = 0
12 close(3) = 0
12 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3
12 read(3, "root"..., 4096) = 900
12 +++ exited with 0 +++
"""
SMAPS = """\
7f01-7f02 r--p 00000000 00:2b 123  /env/lib/libtorch.so
Size:                 40 kB
Rss:                 300 kB
7f03-7f04 r--p 00000000 00:2b 124  /usr/lib/libc.so.6
Rss:                  80 kB
7f05-7f06 rw-p 00000000 00:00 0
Rss:                  12 kB
7f07-7f08 r-xp 00000000 00:2b 123  /env/lib/libtorch.so
Rss:                 100 kB

"""


def test_a_trace_is_read() -> None:
    trace = Trace("/env")
    for line in TRACE.splitlines():
        trace.add(line)
    assert (len(trace.names), trace.opens, trace.listings) == (3, 1, 1)
    assert trace.read_bytes == {"/env/lib/a.py": 300}
    assert mapped_bytes(SMAPS, "/env") == {"/env/lib/libtorch.so": 400 << 10}
    assert requests_for({"a": 300, "b": 400 << 10}) == 1 + 4


def test_the_figures_in_the_readme_are_computed_from_the_counts() -> None:
    readme = (simulate_fleet.FIGURE.parents[3] / "README.md").read_text(encoding="utf-8")
    assert simulate_fleet.rewritten(readme, COUNTS) == readme, "run scripts/simulate_fleet --write"
    assert simulate_fleet.FIGURE.read_text(encoding="utf-8") == simulate_fleet.figure(COUNTS)
    plot = ElementTree.fromstring(simulate_fleet.figure(COUNTS))  # noqa: S314 - our own
    assert len(plot.findall(".//{*}polyline")) == 2 * 4
