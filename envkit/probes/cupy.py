"""Does CuPy compute? On each GPU, against answers known in float64; it has no CPU.

Run through ``session.py``; `envkit.checks.frameworks` judges.
"""

import envkit_exercises as exercises
import envkit_session as session

SOURCE = r"""
extern "C" __global__ void relu(const float* x, float* y, int n) {
    int i = blockDim.x * blockIdx.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(2.0f * x[i] + 1.0f, 0.0f) * x[i];
}
"""


class CuPy(exercises.Exercises):
    """The exercises in CuPy, on the current device."""

    checks = ("matmul", "kernel", "throughput")

    def __init__(self, cupy):
        """Compute with `cupy`."""
        self.cupy = cupy

    def array(self, values):
        """Numbers on the device."""
        return self.cupy.asarray(values, dtype="float32")

    def flat(self, array):
        """An array as floats."""
        return [float(value) for value in self.cupy.asnumpy(array).reshape(-1)]

    def product(self, a, b):
        """A product, by cuBLAS."""
        return a @ b

    def kernel(self):
        """A kernel that NVRTC compiles now, exact on small integers."""
        x, answer = exercises.elementwise()
        source, result = self.array(x), self.cupy.zeros(len(x), dtype="float32")
        compiled = self.cupy.RawKernel(SOURCE, "relu")
        compiled(((len(x) + 127) // 128,), (128,), (source, result, self.cupy.int32(len(x))))
        return answer.compare(self.flat(result))

    def throughput(self):
        """Figures, of which no verdict is made."""
        n, at_once = exercises.FIGURE_SIZE["gpu"], exercises.FIGURE_PRODUCTS["gpu"]
        a = self.cupy.random.random((n, n), dtype="float32")

        def run():
            for _ in range(at_once):
                self.cupy.matmul(a, a)
            self.cupy.cuda.Device().synchronize()

        rate = session.best_rate(at_once * 2 * n**3, run)
        return {"figures": {"matmul_float32_flop_per_s": rate}, "size": n}


def main(probe):
    """Gather the facts."""
    probe.step("import", "import cupy")
    import cupy

    probe.fact("version", cupy.__version__)
    probe.build("cuda", lambda: session.cuda_of_cupy(cupy))
    for name in probe.gpus_of_cupy(cupy):
        CuPy(cupy).run(probe, name)
