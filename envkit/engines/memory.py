"""Memory for the native engine, which aborts the process, or waits for ever, where an allocation or a thread fails."""

from __future__ import annotations

_LEAST_BYTES = 512 << 20  # of address space; with 300 MB every third run ended by SIGABRT


def check_memory() -> None:
    """Refuse to begin what would end without a word.

    Raises:
        MemoryError: The limit on this process's address space (``ulimit -v``) is too small.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < _LEAST_BYTES:
        raise MemoryError(f"{limit} bytes of address space")
