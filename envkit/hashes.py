"""SHA-256 without OpenSSL, whose library takes 3 ms to load: each start of a job hashes a few short texts."""

from __future__ import annotations

__all__ = ["sha256"]

TYPE_CHECKING = False  # for checkers True; each start of a job would load `typing` for it
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:  # CPython's own, as its module `random` imports it: _sha2 since 3.12, _sha256 before
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256
