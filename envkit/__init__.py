"""Conda environments for GPUs."""
