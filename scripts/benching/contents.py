"""What the generated channels hold."""

FILES = (1_000, 5_000, 25_000)
"""Of each number, the package `files-N` has so many files."""

WHEELS = tuple(f"wheel{number}" for number in range(10))
"""Projects of the index of wheels."""
