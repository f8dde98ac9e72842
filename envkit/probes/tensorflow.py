"""Does TensorFlow compute? On the CPU and each GPU, against answers known in float64.

Run through ``session.py``; `envkit.checks.frameworks` judges.
"""

import envkit_exercises as exercises
import envkit_session as session


class TensorFlow(exercises.Exercises):
    """The exercises in TensorFlow, on one device."""

    def __init__(self, tf, device, kind):
        """Compute on `device`, such as ``/GPU:0``."""
        self.tf = tf
        self.device = device
        self.kind = kind

    def on_device(self, action):
        """Run with everything placed on the device; what has no kernel there fails instead of moving."""
        with self.tf.device(self.device):
            return action()

    def array(self, values, shape=None, dtype="float32"):
        """Numbers on the device."""
        return self.tf.cast(self.tf.constant(values, dtype="float32", shape=shape), dtype)

    def flat(self, tensor):
        """A tensor as floats."""
        return [float(value) for value in self.tf.cast(tensor, "float64").numpy().reshape(-1)]

    def product(self, a, b):
        """A product of matrices."""
        return self.tf.matmul(a, b)

    def convolve(self, image, filters, padding):
        """A convolution; TensorFlow wants channels last."""
        image, filters = self.tf.transpose(image, (0, 2, 3, 1)), self.tf.transpose(filters, (2, 3, 1, 0))
        sides = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
        return self.tf.transpose(self.tf.nn.conv2d(image, filters, strides=1, padding=sides), (0, 3, 1, 2))

    def regress(self, rows, targets, weights):
        """A gradient, by GradientTape."""
        weights = self.tf.Variable(weights)
        with self.tf.GradientTape() as tape:
            loss = self.tf.reduce_mean((self.tf.linalg.matvec(rows, weights) - targets) ** 2)
        return tape.gradient(loss, weights)

    def attend(self, q, k, v, above):
        """Gradients, by GradientTape."""
        inputs = [self.tf.Variable(part) for part in (q, k, v)]
        with self.tf.GradientTape() as tape:
            scores = self.tf.matmul(inputs[0], inputs[1], transpose_b=True) / exercises.ATTENTION["width"] ** 0.5
            out = self.tf.matmul(self.tf.nn.softmax(scores), inputs[2])
        return tape.gradient(out, inputs, output_gradients=above)

    def throughput(self):
        """Figures, of which no verdict is made."""
        n, at_once = exercises.FIGURE_SIZE[self.kind], exercises.FIGURE_PRODUCTS[self.kind]
        a = self.tf.random.uniform((n, n))

        def run():
            products = [self.tf.matmul(a, a) for _ in range(at_once)]
            products[-1][0, 0].numpy()  # waits for the device

        rate = session.best_rate(at_once * 2 * n**3, run)
        return {"figures": {"matmul_float32_flop_per_s": rate}, "size": n}


def look(tf):
    """The GPUs as TensorFlow lists them."""
    found = tf.config.list_physical_devices("GPU")
    if not found:
        raise RuntimeError("tf.config.list_physical_devices('GPU') is empty: a library was not found, see its log")
    return found


def main(probe):
    """Gather the facts."""
    probe.step("import", "import tensorflow")
    import tensorflow as tf

    probe.fact("version", tf.__version__)
    for key in ("is_cuda_build", "cuda_version", "cudnn_version", "cuda_compute_capabilities"):
        probe.build(key, lambda key=key: tf.sysconfig.get_build_info().get(key))
    tf.config.set_soft_device_placement(False)
    tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
    found = probe.gpus(lambda: look(tf)) if probe.document["build"].get("is_cuda_build") else []
    TensorFlow(tf, "/CPU:0", "cpu").run(probe, probe.device("cpu"))
    for index, device in enumerate(found):
        details = tf.config.experimental.get_device_details(device)
        capability = ".".join(map(str, details.get("compute_capability") or ())) or None
        called = details.get("device_name")
        name = probe.device("cuda:%d" % index, "gpu", called, compute_capability=capability)
        TensorFlow(tf, "/GPU:%d" % index, "gpu").run(probe, name)
