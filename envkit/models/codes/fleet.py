"""Codes of findings about the nodes of a fleet."""

from __future__ import annotations

from envkit.models.fact import Code

DRIVER_DIFFERS = Code("finding", "driver-differs", "A node has another driver than most nodes with its GPUs.", "host")
NODE_LACKS_GPUS = Code("finding", "node-lacks-gpus", "A node has fewer GPUs than its scheduler or kind says.", "host")
GPUS_UNUSABLE = Code("finding", "gpus-unusable", "A node has signs of NVIDIA, and no GPU that can be used.", "host")
NODE_DOWN = Code("finding", "node-down", "The scheduler gives no work to a node.", "host")
NODE_WITHOUT_ENVKIT = Code("finding", "node-without-envkit", "A node has no envkit where the others have it.", "host")
NODE_FAILED = Code("finding", "node-failed", "A node did not run the command.", "host")
NODE_NOT_GIVEN = Code("finding", "node-not-given", "The scheduler did not give a node before the deadline.", "host")
NODE_SILENT = Code("finding", "node-silent", "A node did not answer in time.", "host")
NODE_SLOW = Code("finding", "node-slow", "A node is more than 10 % behind the median of those like it.", "host")
NODE_UNPROVEN = Code(
    "finding", "node-unproven", "A node has no GPU, so that a CUDA environment was not proven.", "host"
)
ENVIRONMENT_BROKEN = Code("finding", "environment-broken", "An environment is damaged or gone.", "environment")
NEVER_PROVEN = Code("finding", "never-proven", "An environment was never validated on any machine.", "environment")
NODES_HANG = Code("finding", "nodes-hang", "An all-reduce over nodes did not end in time.", "host")
NODES_WRONG = Code("finding", "nodes-wrong", "An all-reduce over nodes came out wrong.", "host")
NODES_APART = Code("finding", "nodes-apart", "Nodes did not find one another over the network.", "host")
NODES_FAILED = Code("finding", "nodes-failed", "An all-reduce over nodes ended with an error.", "host")
NODES_UNTRIED = Code("finding", "nodes-untried", "Some pairs of nodes were not tried before the deadline.")
NODES_NOT_ASKED = Code("finding", "nodes-not-asked", "No two nodes have a framework that computes over nodes.")
GPU_MEMORY_BAD = Code("finding", "gpu-memory-bad", "A GPU of a node has memory errors that ECC cannot correct.", "host")
GPU_MEMORY_MENDED = Code("finding", "gpu-memory-mended", "A GPU replaces bad memory at its next reset.", "host")
GPU_SLOWED = Code("finding", "gpu-slowed", "A fault holds the clocks of a GPU back.", "host")
