"""Does numba compile code that computes? For the CPU, and for each GPU where it has CUDA.

Run through ``session.py``; `envkit.checks.frameworks` judges.
"""

import envkit_exercises as exercises


def on_cpu(numba, numpy):
    """A loop, compiled by LLVM, exact on small integers."""
    x, answer = exercises.elementwise()

    @numba.njit
    def relu(source, result):
        for i in range(source.shape[0]):
            result[i] = max(2 * source[i] + 1, 0.0) * source[i]

    source = numpy.array(x)
    result = numpy.zeros_like(source)
    relu(source, result)
    return answer.compare([float(value) for value in result])


def on_gpu(cuda, numpy):
    """A kernel, compiled by NVVM, exact on small integers."""
    x, answer = exercises.elementwise()

    @cuda.jit
    def relu(source, result):
        i = cuda.grid(1)
        if i < source.shape[0]:
            result[i] = max(2 * source[i] + 1, 0.0) * source[i]

    source = cuda.to_device(numpy.array(x, dtype="float32"))
    result = cuda.to_device(numpy.zeros(len(x), dtype="float32"))
    relu[(len(x) + 127) // 128, 128](source, result)
    return answer.compare([float(value) for value in result.copy_to_host()])


def main(probe):
    """Gather the facts."""
    probe.step("import", "import numba")
    import numba
    import numpy

    probe.fact("version", numba.__version__)
    probe.build("compiler", lambda: "LLVM")
    probe.check("kernel", probe.device("cpu"), lambda: on_cpu(numba, numpy))
    if not probe.options.gpu:
        return
    probe.step("import", "import numba.cuda")
    from numba import cuda

    for index in probe.gpus(lambda: range(len(cuda.gpus))):  # raises with the reason
        device = cuda.select_device(index)
        called = device.name.decode() if isinstance(device.name, bytes) else str(device.name)
        capability = ".".join(map(str, device.compute_capability))
        name = probe.device("cuda:%d" % index, "gpu", called, compute_capability=capability)
        probe.check("kernel", name, lambda: on_gpu(cuda, numpy))
