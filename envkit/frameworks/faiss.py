"""faiss."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow

ROW = FrameworkRow(
    key="faiss",
    title="Faiss",
    module="faiss",
    packages=("faiss", "libfaiss", "faiss-gpu", "faiss-cpu", "libfaiss-avx2", "faiss-proc"),
    compiled="faiss",
    picked="*",
    core=("faiss", "libfaiss"),
    channels=("pytorch", "nvidia"),
    probe=None,
)
