"""Does numba compile code that computes? For the CPU, and for each GPU where it has CUDA.

Run by a target environment's own Python, 3.7 or newer::

    PYTHON -I numba.py [--gpu] [--trace FD]

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


def main():
    """Gather the facts and write them."""
    probe = session.Session("numba")
    probe.step("import", "import numba")
    import numba
    import numpy

    probe.fact("version", numba.__version__)
    probe.build("compiler", lambda: "LLVM")
    probe.device({"id": "cpu", "kind": "cpu", "name": None})
    probe.check("kernel", "cpu", lambda: on_cpu(numba, numpy))
    if probe.options.gpu:
        probe.step("import", "import numba.cuda")
        from numba import cuda

        def look():
            return {"count": len(cuda.gpus)}  # raises with the reason

        count = probe.check("devices", None, look) or {"count": 0}
        for index in range(count["count"]):
            name = "cuda:%d" % index
            device = cuda.select_device(index)
            called = device.name.decode() if isinstance(device.name, bytes) else str(device.name)
            capability = ".".join(map(str, device.compute_capability))
            probe.device({"id": name, "kind": "gpu", "name": called, "compute_capability": capability})
            probe.check("kernel", name, lambda: on_gpu(cuda, numpy))
    probe.finish()


if __name__ == "__main__":
    main()
