"""JAX: conda-forge/jaxlib-feedstock 9123295. The package ``jax`` is Python alone."""

from __future__ import annotations

from envkit.frameworks.row import FrameworkRow, RuntimeCompiler

ROW = FrameworkRow(
    key="jax",
    title="JAX",
    module="jax",
    packages=("jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda12-pjrt", "jax-cuda13-plugin", "jax-cuda13-pjrt"),
    compiled="jaxlib",
    wrappers=("jax",),
    core=("jaxlib",),
    cuda_variants=("jaxlib * *cuda*",),
    companions={"conda-forge": ("jaxlib * cuda*",)},
    runtime_compiler=RuntimeCompiler("XLA", "ptxas", slower=True),
    cuda_files=("jax_cuda1*_plugin",),
    gpu_libraries=("xla_cuda_plugin.so", "xla_extension.so", "libjax_common.so"),
    probe="jax.py",
    cuda_fact="plugins",
    identity=(("jaxlib", "jaxlib"), ("", "plugins")),
)
