"""Does JAX compute? On the CPU and each GPU, against answers known in float64.

Run through ``session.py``; `envkit.checks.frameworks` judges. JAX falls back to the CPU without a word, so the platform
is demanded, not hoped for.
"""

import contextlib
import os
import sys

import envkit_exercises as exercises
import envkit_session as session


class Jax(exercises.Exercises):
    """The exercises in JAX, on one device."""

    def __init__(self, jax, device, kind):
        """Compute on `device`, which is a cpu or a gpu."""
        self.jax = jax
        self.numpy = jax.numpy
        self.device = device
        self.kind = kind

    def on_device(self, action):
        """Run with everything placed on the device."""
        with self.jax.default_device(self.device):
            return action()

    def array(self, values, shape=None, dtype="float32"):
        """Numbers on the device."""
        made = self.numpy.asarray(values, dtype="float32")
        return self.jax.device_put((made if shape is None else made.reshape(shape)).astype(dtype), self.device)

    def flat(self, array):
        """An array as floats."""
        return [float(value) for value in self.jax.device_get(array.astype("float32")).reshape(-1)]

    def product(self, a, b):
        """A product of matrices, compiled by XLA."""
        return self.jax.jit(lambda x, y: self.numpy.matmul(x, y, precision="highest"))(a, b)

    def convolve(self, image, filters, padding):
        """A convolution."""
        pad = [(padding, padding)] * 2
        return self.jax.lax.conv_general_dilated(image, filters, (1, 1), pad, precision="highest")

    def regress(self, rows, targets, weights):
        """A gradient, by jax.grad."""

        def loss(w):
            return ((self.numpy.matmul(rows, w, precision="highest") - targets) ** 2).mean()

        return self.jax.jit(self.jax.grad(loss))(weights)

    def attend(self, q, k, v, above):
        """Gradients, by jax.vjp."""
        root = exercises.ATTENTION["width"] ** 0.5

        def attention(queries, keys, values):
            scores = self.numpy.einsum("htd,hsd->hts", queries, keys, precision="highest") / root
            weights = self.jax.nn.softmax(scores, axis=-1)
            return self.numpy.einsum("hts,hsd->htd", weights, values, precision="highest")

        return self.jax.vjp(attention, q, k, v)[1](above)

    def throughput(self):
        """Figures, of which no verdict is made."""
        n, at_once = exercises.FIGURE_SIZE[self.kind], exercises.FIGURE_PRODUCTS[self.kind]
        # The default for float32 is TF32, which is another figure.
        product = self.jax.jit(lambda x, y: self.numpy.matmul(x, y, precision="highest"))
        numbers = self.jax.random.uniform(self.jax.random.PRNGKey(0), (n, n))
        figures = {}
        for name in ("float32", "bfloat16")[: 2 if self.kind == "gpu" else 1]:
            a = numbers.astype(name)

            def run(a=a):
                for made in [product(a, a) for _ in range(at_once)]:
                    made.block_until_ready()

            figures["matmul_%s_flop_per_s" % name] = session.best_rate(at_once * 2 * n**3, run)
        return {"figures": figures, "size": n}


def cuda_parts():
    """What brings CUDA to JAX: plugins as wheels, or in jaxlib itself as conda-forge has it; empty for the CPU."""
    found = set()
    for path in filter(os.path.isdir, sys.path):
        found.update(name for name in os.listdir(path) if name.startswith("jax_cuda") and "-" not in name)
        inside = os.path.join(path, "jaxlib", "cuda")
        if os.path.isdir(inside) and any(".so" in name for name in os.listdir(inside)):
            found.add("jaxlib with CUDA")
    return sorted(found)


def main(probe):
    """Gather the facts."""
    # Without this JAX computes on the CPU when CUDA does not start.
    probe.options.gpu = probe.options.gpu if cuda_parts() else 0
    os.environ["JAX_PLATFORMS"] = "cuda,cpu" if probe.options.gpu else "cpu"
    os.environ.pop("JAX_PLATFORM_NAME", None)
    probe.step("import", "import jax")
    import jax
    import jaxlib

    probe.fact("version", jax.__version__)
    probe.build("jaxlib", lambda: jaxlib.__version__)
    probe.build("plugins", cuda_parts)
    found = probe.gpus(lambda: jax.devices("cuda"))  # raises with the reason
    with contextlib.suppress(RuntimeError):  # where CUDA was demanded and does not start, no platform does
        cpu = jax.devices("cpu")[0]
        Jax(jax, cpu, "cpu").run(probe, probe.device("cpu"))
    for index, device in enumerate(found):
        capability = getattr(device, "compute_capability", None)
        name = probe.device("cuda:%d" % index, "gpu", device.device_kind, compute_capability=capability)
        Jax(jax, device, "gpu").run(probe, name)
