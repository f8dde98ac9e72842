"""Does JAX compute? On the CPU and each GPU, against answers known in float64.

Run by a target environment's own Python, 3.7 or newer::

    PYTHON -I jax.py [--gpu] [--trace FD]

JAX falls back to the CPU without a word, so the platform is demanded, not hoped for.
Reports raw facts as one JSON document (see ``session.py``); `envkit.checks.frameworks` judges. Exit status: 0 when the
document was written.
"""

import contextlib
import importlib.util
import os
import sys


def sibling(name):
    """A script beside this one, as a module; this folder stays off ``sys.path``, where it would hide frameworks."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    spec = importlib.util.spec_from_file_location("envkit_probe_" + name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


session = sibling("session")
exercises = sibling("exercises")

FIGURE_SIZE = {"cpu": 1024, "gpu": 4096}


class Jax:
    """The exercises in JAX, on one device."""

    def __init__(self, jax, device, kind):
        """Compute on `device`, which is a cpu or a gpu."""
        self.jax = jax
        self.numpy = jax.numpy
        self.device = device
        self.kind = kind

    def array(self, values, shape=None, dtype="float32"):
        """Numbers on the device."""
        made = self.numpy.asarray(values, dtype="float32")
        if shape is not None:
            made = made.reshape(shape)
        return self.jax.device_put(made.astype(dtype), self.device)

    def flat(self, array):
        """An array as floats."""
        return [float(value) for value in self.jax.device_get(array).reshape(-1)]

    def matmul(self):
        """A product in float32, compiled by XLA."""
        a, b, answer = exercises.matmul()
        product = self.jax.jit(lambda x, y: self.numpy.matmul(x, y, precision="highest"))
        return answer.compare(self.flat(product(self.array(a), self.array(b))))

    def bfloat16(self):
        """A product in bfloat16."""
        a, b, answer = exercises.matmul("bfloat16")
        product = self.jax.jit(self.numpy.matmul)
        found = product(self.array(a, dtype="bfloat16"), self.array(b, dtype="bfloat16"))
        return answer.compare(self.flat(found.astype("float32")))

    def convolution(self):
        """A convolution, on GPUs through cuDNN."""
        x, w, answer = exercises.convolution()
        c = exercises.CONVOLUTION
        image = self.array(x, (c["batch"], c["channels"], c["size"], c["size"]))
        filters = self.array(w, (c["filters"], c["channels"], c["kernel"], c["kernel"]))
        pad = [(c["padding"], c["padding"])] * 2
        found = self.jax.lax.conv_general_dilated(image, filters, (1, 1), pad, precision="highest")
        return answer.compare(self.flat(found))

    def regression(self):
        """The gradient of a linear regression, by jax.grad."""
        x, y, w, answer = exercises.regression()
        rows, targets = self.array(x), self.array(y)

        def loss(weights):
            return ((self.numpy.matmul(rows, weights, precision="highest") - targets) ** 2).mean()

        return answer.compare(self.flat(self.jax.jit(self.jax.grad(loss))(self.array(w))))

    def attention(self):
        """The gradients of attention, by jax.vjp."""
        q, k, v, g, answers = exercises.attention()
        root = exercises.ATTENTION["width"] ** 0.5

        def attend(queries, keys, values):
            scores = self.numpy.einsum("htd,hsd->hts", queries, keys, precision="highest") / root
            weights = self.jax.nn.softmax(scores, axis=-1)
            return self.numpy.einsum("hts,hsd->htd", weights, values, precision="highest")

        _, pull = self.jax.vjp(attend, self.array(q), self.array(k), self.array(v))
        return exercises.worst_of([a.compare(self.flat(found)) for a, found in zip(answers, pull(self.array(g)))])

    def throughput(self):
        """Figures, of which no verdict is made."""
        n = FIGURE_SIZE[self.kind]
        product = self.jax.jit(self.numpy.matmul)
        figures = {}
        for name in ("float32", "bfloat16")[: 2 if self.kind == "gpu" else 1]:
            a = self.array([0.5] * n, (1, n), dtype=name) * self.array([[0.5]] * n, dtype=name)
            rate = session.best_rate(2 * n**3, lambda a=a: product(a, a).block_until_ready())
            figures["matmul_%s_flop_per_s" % name] = rate
        return {"figures": figures, "size": n}

    def run(self, probe, name):
        """All of them."""
        with self.jax.default_device(self.device):
            probe.check("matmul", name, self.matmul)
            probe.check("bf16", name, self.bfloat16)
            probe.check("conv", name, self.convolution)
            probe.check("regression-gradient", name, self.regression)
            probe.check("attention-gradient", name, self.attention)
            probe.check("throughput", name, self.throughput)


def cuda_parts():
    """What brings CUDA to JAX: plugins as wheels, or in jaxlib itself as conda-forge has it; empty for the CPU."""
    found = set()
    for path in filter(os.path.isdir, sys.path):
        found.update(name for name in os.listdir(path) if name.startswith("jax_cuda") and "-" not in name)
        inside = os.path.join(path, "jaxlib", "cuda")
        if os.path.isdir(inside) and any(".so" in name for name in os.listdir(inside)):
            found.add("jaxlib with CUDA")
    return sorted(found)


def main():
    """Gather the facts and write them."""
    probe = session.Session("jax")
    # Without this JAX computes on the CPU when CUDA does not start.
    probe.options.gpu = probe.options.gpu and bool(cuda_parts())
    os.environ["JAX_PLATFORMS"] = "cuda,cpu" if probe.options.gpu else "cpu"
    os.environ.pop("JAX_PLATFORM_NAME", None)
    probe.step("import", "import jax")
    import jax
    import jaxlib

    probe.fact("version", jax.__version__)
    probe.build("jaxlib", lambda: jaxlib.__version__)
    probe.build("plugins", cuda_parts)
    found = []

    def look():
        found.extend(jax.devices("cuda"))  # raises with the reason
        return {"count": len(found)}

    if probe.options.gpu:
        probe.check("devices", None, look)
    with contextlib.suppress(RuntimeError):  # where CUDA was demanded and does not start, no platform does
        cpu = jax.devices("cpu")[0]
        probe.device({"id": "cpu", "kind": "cpu", "name": None})
        Jax(jax, cpu, "cpu").run(probe, "cpu")
    for index, device in enumerate(found):
        name = "cuda:%d" % index
        facts = {"id": name, "kind": "gpu", "name": device.device_kind}
        facts["compute_capability"] = getattr(device, "compute_capability", None)
        probe.device(facts)
        Jax(jax, device, "gpu").run(probe, name)
    probe.finish()


if __name__ == "__main__":
    main()
