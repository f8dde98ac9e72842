"""The registry of codes: every reason, finding, advice and correction, with its meaning.

Errors have theirs in `envkit.errors`.
"""
