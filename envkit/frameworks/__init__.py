"""Frameworks as conda has them, each one row in a file of its own. Facts only: nothing here reads, runs or judges.

How to add a framework, with one new file in each place:

1. ``envkit/frameworks/<key>.py`` with a ``ROW`` (`envkit.frameworks.row.FrameworkRow`): take packages, build strings
   and dependencies from the channels' indexes and recipes, and name the recipe and its commit in the docstring.
   `envkit.frameworks.table` finds the file by itself; solving, ranking, judging and validating read the row.
2. ``envkit/probes/<key>.py``: import the framework, tell what its build is (the facts that the row's ``cuda_fact`` and
   ``identity`` name) and compute something whose answer is known exactly, on the CPU and on each GPU. Leave it out and
   set ``probe=None`` where there is no way to run the framework.
3. ``tests/unit/test_framework_<key>.py``: what one of its real records is classified as and judged to be, and what a
   document of its probe means.

Optional, all with sources: arch lists of its CUDA builds in ``builds/data/archlists.json``; what its wheels hold, which
``scripts/measure_gpucode`` writes into ``builds/data/gpucode.json`` (name its own libraries in the row's
``gpu_libraries`` first); and its published builds in ``builds/data/published.json``, which answer where no channel can
be reached.
"""
