"""What CUDA itself says: drivers, toolkits, architectures and GPU names, as tables with sources. No conda in here.

How to add the next CUDA release, one row in each file of ``envkit/cuda/data``, each with its ``source``:

1. ``toolkits.json``: the toolkit, its update number, the least driver on Linux and Windows (release notes, table 3).
   A new major needs a row in ``minor_compatibility`` as well (release notes, table 2).
2. ``drivers.json``: the first number of the driver that came with it, and that driver's CUDA ceiling.
3. ``ptx.json``: the PTX ISA that its compiler writes (``ptxas`` tells, or the PTX ISA release history).
4. ``archs.json``: a new ``toolkit_archs`` row if the list of ``ptxas --help`` changed, ``last_known_toolkit`` always,
   ``last_driver`` when a driver branch is the last one for an architecture.
5. ``gpus.json``: new GPU names; ``libraries.json``: libraries that dropped or lack GPUs; ``forward_compat.json``: the
   matrix of cuda-compat packages and driver branches.

The tests load every file, check each row and compare the tables with each other. What is newer than the tables is
judged by rule: a branch between two known ones has the lower one's ceiling, a branch above the newest has at least the
newest ceiling, and the verdict says so.
"""
