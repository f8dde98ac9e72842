"""Environments that travel: one file to carry, a copy on a node's own disk, and prefixes put right in both."""
