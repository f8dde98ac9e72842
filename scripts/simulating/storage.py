"""File systems as their makers and testers describe them; each figure with its source."""

from __future__ import annotations

from dataclasses import dataclass

_MIB, _GIB = 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Storage:
    """A file system, seen by one node and by many.

    Attributes:
        name: Its name.
        latency_s: Seconds of one operation while the server is idle.
        operations_per_s: Operations that the servers answer at most, of all nodes together.
        bytes_per_s: What the servers send at most, to all nodes together.
        node_bytes_per_s: What one node receives at most.
        node_write_bytes_per_s: What one node writes.
        is_shared: Whether nodes share the servers.
    """

    name: str
    latency_s: float
    operations_per_s: float
    bytes_per_s: float
    node_bytes_per_s: float
    node_write_bytes_per_s: float = 0.0
    is_shared: bool = True


# Amazon EFS, "Performance specifications", Regional, Bursting throughput: latency as low as 250 microseconds, 35,000
# read operations per second, 3 to 5 GiB/s of reads for a file system, 500 MiB/s for a client.
# https://docs.aws.amazon.com/efs/latest/ug/performance.html (read 2026-11)
NFS = Storage("NFS", 250e-6, 35_000, 3 * _GIB, 500 * _MIB)

# Dell, "Dell Storage for HPC with Intel Enterprise Edition for Lustre software", white paper: figure 12, stat of files:
# over 2,000 a second with one thread (500 microseconds each), more than 400,000 with 240; figure 9 and section 4.1:
# reads peak near 10 GB/s, a single client reads 926 MB/s.
LUSTRE = Storage("Lustre", 1 / 2_000, 400_000, 10e9, 926e6)

# Lenovo, "Intel P4500 NVMe PCIe 3.0 x4 SSD", product guide, table 2, 2.0 TB drive: random reads of 4 kB take 85
# microseconds, 490,000 a second; reads at 3.2 GB/s, writes at 1.05 GB/s.
LOCAL = Storage("local disk", 85e-6, 490_000, 3.2e9, 3.2e9, 1.05e9, is_shared=False)

SHARED = (NFS, LUSTRE)
