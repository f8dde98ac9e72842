"""Conda environments for GPUs: the build that runs on this driver and GPU, on a volume that stays, proven by a kernel.

Importing this module loads nothing and does nothing.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
