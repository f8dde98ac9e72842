"""Does TensorFlow compute? On the CPU and each GPU, against answers known in float64.

Run by a target environment's own Python, 3.7 or newer::

    PYTHON -I tensorflow.py [--gpu] [--trace FD]

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

FIGURE_SIZE = {"cpu": 1024, "gpu": 4096}


class TensorFlow:
    """The exercises in TensorFlow, on one device."""

    def __init__(self, tf, device, kind):
        """Compute on `device`, such as ``/GPU:0``."""
        self.tf = tf
        self.device = device
        self.kind = kind

    def tensor(self, values, shape=None, dtype="float32"):
        """Numbers on the device."""
        made = self.tf.constant(values, dtype="float32", shape=shape)
        return self.tf.cast(made, dtype)

    def flat(self, tensor):
        """A tensor as floats."""
        return [float(value) for value in self.tf.cast(tensor, "float64").numpy().reshape(-1)]

    def matmul(self):
        """A product in float32."""
        a, b, answer = exercises.matmul()
        return answer.compare(self.flat(self.tf.matmul(self.tensor(a), self.tensor(b))))

    def bfloat16(self):
        """A product in bfloat16."""
        a, b, answer = exercises.matmul("bfloat16")
        a, b = self.tensor(a, dtype="bfloat16"), self.tensor(b, dtype="bfloat16")
        return answer.compare(self.flat(self.tf.matmul(a, b)))

    def convolution(self):
        """A convolution, on GPUs through cuDNN; TensorFlow wants channels last."""
        x, w, answer = exercises.convolution()
        c = exercises.CONVOLUTION
        image = self.tensor(x, (c["batch"], c["channels"], c["size"], c["size"]))
        filters = self.tensor(w, (c["filters"], c["channels"], c["kernel"], c["kernel"]))
        image, filters = self.tf.transpose(image, (0, 2, 3, 1)), self.tf.transpose(filters, (2, 3, 1, 0))
        found = self.tf.nn.conv2d(image, filters, strides=1, padding="SAME")
        return answer.compare(self.flat(self.tf.transpose(found, (0, 3, 1, 2))))

    def regression(self):
        """The gradient of a linear regression, by GradientTape."""
        x, y, w, answer = exercises.regression()
        weights = self.tf.Variable(self.tensor(w))
        with self.tf.GradientTape() as tape:
            residuals = self.tf.linalg.matvec(self.tensor(x), weights) - self.tensor(y)
            loss = self.tf.reduce_mean(residuals**2)
        return answer.compare(self.flat(tape.gradient(loss, weights)))

    def attention(self):
        """The gradients of attention, by GradientTape."""
        q, k, v, g, answers = exercises.attention()
        inputs = [self.tf.Variable(self.tensor(part)) for part in (q, k, v)]
        with self.tf.GradientTape() as tape:
            scores = self.tf.matmul(inputs[0], inputs[1], transpose_b=True) / exercises.ATTENTION["width"] ** 0.5
            out = self.tf.matmul(self.tf.nn.softmax(scores), inputs[2])
        found = tape.gradient(out, inputs, output_gradients=self.tensor(g))
        return exercises.worst_of([a.compare(self.flat(part)) for a, part in zip(answers, found)])

    def throughput(self):
        """Figures, of which no verdict is made."""
        n = FIGURE_SIZE[self.kind]
        a = self.tf.random.uniform((n, n))

        def run():
            self.tf.matmul(a, a)[0, 0].numpy()  # waits for the device

        rate = session.best_rate(2 * n**3, run)
        return {"figures": {"matmul_float32_flop_per_s": rate}, "size": n}

    def run(self, probe, name):
        """All of them."""
        for check, action in (
            ("matmul", self.matmul),
            ("bf16", self.bfloat16),
            ("conv", self.convolution),
            ("regression-gradient", self.regression),
            ("attention-gradient", self.attention),
            ("throughput", self.throughput),
        ):
            probe.check(check, name, lambda action=action: self.on_device(action))

    def on_device(self, action):
        """Run with everything placed on the device; what has no kernel there fails instead of moving."""
        with self.tf.device(self.device):
            return action()


def main():
    """Gather the facts and write them."""
    probe = session.Session("tensorflow")
    probe.step("import", "import tensorflow")
    import tensorflow as tf

    probe.fact("version", tf.__version__)
    for key in ("is_cuda_build", "cuda_version", "cudnn_version", "cuda_compute_capabilities"):
        probe.build(key, lambda key=key: tf.sysconfig.get_build_info().get(key))
    tf.config.set_soft_device_placement(False)
    tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
    found = []

    def look():
        found.extend(tf.config.list_physical_devices("GPU"))
        if not found:
            raise RuntimeError("tf.config.list_physical_devices('GPU') is empty: a library was not found, see its log")
        return {"count": len(found)}

    if probe.options.gpu and probe.document["build"].get("is_cuda_build"):
        probe.check("devices", None, look)
    probe.device({"id": "cpu", "kind": "cpu", "name": None})
    TensorFlow(tf, "/CPU:0", "cpu").run(probe, "cpu")
    for index, device in enumerate(found):
        details = tf.config.experimental.get_device_details(device)
        capability = ".".join(map(str, details.get("compute_capability") or ())) or None
        name = "cuda:%d" % index
        probe.device({"id": name, "kind": "gpu", "name": details.get("device_name"), "compute_capability": capability})
        TensorFlow(tf, "/GPU:%d" % index, "gpu").run(probe, name)
    probe.finish()


if __name__ == "__main__":
    main()
