"""Faiss: conda-forge/faiss-split-feedstock 0042ebb; channel pytorch up to 1.8, facebookresearch/faiss conda/.

Builds are told apart by the end of the build string, ``_cpu``, ``_cuda`` or ``_cuda11.4``, since 1.10 by its beginning.
"""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow

ROW = FrameworkRow(
    key="faiss",
    title="Faiss",
    module="faiss",
    packages=(
        *("faiss", "libfaiss", "faiss-gpu", "faiss-cpu", "libfaiss-avx2", "faiss-proc"),
        *("faiss-gpu-raft", "faiss-gpu-cuvs"),
    ),
    compiled="faiss",
    picked="*",
    core=("faiss", "libfaiss"),
    stubs=("faiss-proc",),
    cpu_packages=("faiss-cpu",),
    cuda_packages=("faiss-gpu",),
    cuda_variants=("faiss * *cuda*", "libfaiss * *cuda*"),
    always_cuda=("faiss-gpu-raft", "faiss-gpu-cuvs"),
    channels=("pytorch", "nvidia"),
    gpu_libraries=("libfaiss.so", "libfaiss-*.so*", "libfaiss_avx2.so"),
    wheels=("faiss-gpu*",),
    probe="faiss.py",
    cuda_fact="gpu",
    identity=(("code for", "options"),),
)
