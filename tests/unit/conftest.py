"""Fixtures of the unit tests."""

from machines import libraries, machine

__all__ = ["libraries", "machine"]
