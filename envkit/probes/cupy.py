"""Does CuPy compute? On each GPU, against answers known in float64; it has no CPU.

Run by a target environment's own Python, 3.7 or newer::

    PYTHON -I cupy.py [--gpu] [--trace FD]

Reports raw facts as one JSON document (see ``session.py``); `envkit.checks.frameworks` judges. Exit status: 0 when the
document was written.
"""

import importlib.util
import os


def sibling(name):
    """A script beside this one, as a module; this folder stays off ``sys.path``, where it would hide frameworks."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    spec = importlib.util.spec_from_file_location("envkit_probe_" + name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


session = sibling("session")
exercises = sibling("exercises")

FIGURE_SIZE = 4096
SOURCE = r"""
extern "C" __global__ void relu(const float* x, float* y, int n) {
    int i = blockDim.x * blockIdx.x + threadIdx.x;
    if (i < n) y[i] = fmaxf(2.0f * x[i] + 1.0f, 0.0f) * x[i];
}
"""


class CuPy:
    """The exercises in CuPy, on the current device."""

    def __init__(self, cupy):
        """Compute with `cupy`."""
        self.cupy = cupy

    def array(self, values):
        """Numbers on the device."""
        return self.cupy.asarray(values, dtype="float32")

    def flat(self, array):
        """An array as floats."""
        return [float(value) for value in self.cupy.asnumpy(array).reshape(-1)]

    def matmul(self):
        """A product in float32, by cuBLAS."""
        a, b, answer = exercises.matmul()
        return answer.compare(self.flat(self.array(a) @ self.array(b)))

    def kernel(self):
        """A kernel that NVRTC compiles now, exact on small integers."""
        x, answer = exercises.elementwise()
        source, result = self.array(x), self.cupy.zeros(len(x), dtype="float32")
        compiled = self.cupy.RawKernel(SOURCE, "relu")
        compiled(((len(x) + 127) // 128,), (128,), (source, result, self.cupy.int32(len(x))))
        return answer.compare(self.flat(result))

    def throughput(self):
        """Figures, of which no verdict is made."""
        a = self.cupy.random.random((FIGURE_SIZE, FIGURE_SIZE), dtype="float32")

        def run():
            self.cupy.matmul(a, a)
            self.cupy.cuda.Device().synchronize()

        rate = session.best_rate(2 * FIGURE_SIZE**3, run)
        return {"figures": {"matmul_float32_flop_per_s": rate}, "size": FIGURE_SIZE}


def main():
    """Gather the facts and write them."""
    probe = session.Session("cupy")
    probe.step("import", "import cupy")
    import cupy

    probe.fact("version", cupy.__version__)
    runtime = cupy.cuda.runtime
    probe.build("cuda", lambda: "%d.%d" % divmod(runtime.runtimeGetVersion() // 10, 100))
    if probe.options.gpu:
        count = probe.check("devices", None, lambda: {"count": runtime.getDeviceCount()}) or {"count": 0}
        for index in range(count["count"]):
            with cupy.cuda.Device(index) as device:
                facts = runtime.getDeviceProperties(index)
                name, capability = "cuda:%d" % index, device.compute_capability
                called = facts["name"].decode("utf-8", "replace")
                capability = "%s.%s" % (capability[:-1], capability[-1])
                probe.device({"id": name, "kind": "gpu", "name": called, "compute_capability": capability})
                exercise = CuPy(cupy)
                probe.check("matmul", name, exercise.matmul)
                probe.check("kernel", name, exercise.kernel)
                probe.check("throughput", name, exercise.throughput)
    probe.finish()


if __name__ == "__main__":
    main()
