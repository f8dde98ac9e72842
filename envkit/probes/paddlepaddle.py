"""Does PaddlePaddle compute? On the CPU and each GPU, against answers known in float64.

Run through ``session.py``; `envkit.checks.frameworks` judges.
"""

import envkit_exercises as exercises
import envkit_session as session


class Paddle(exercises.Exercises):
    """The exercises in PaddlePaddle, on the current device."""

    checks = ("matmul", "conv", "regression-gradient", "attention-gradient", "throughput")

    def __init__(self, paddle, device, kind):
        """Compute on `device`, such as ``gpu:0``."""
        self.paddle = paddle
        self.kind = kind
        paddle.set_device(device)

    def array(self, values, shape=None):
        """Numbers on the device."""
        made = self.paddle.to_tensor(values, dtype="float32")
        return made if shape is None else made.reshape(shape)

    def flat(self, tensor):
        """A tensor as floats."""
        return [float(value) for value in tensor.numpy().reshape(-1)]

    def product(self, a, b):
        """A product of matrices."""
        return self.paddle.matmul(a, b)

    def convolve(self, image, filters, padding):
        """A convolution."""
        return self.paddle.nn.functional.conv2d(image, filters, padding=padding)

    def regress(self, rows, targets, weights):
        """A gradient, by autograd."""
        weights.stop_gradient = False
        ((self.paddle.mv(rows, weights) - targets) ** 2).mean().backward()
        return weights.grad

    def attend(self, q, k, v, above):
        """Gradients, by autograd."""
        for tensor in (q, k, v):
            tensor.stop_gradient = False
        scores = self.paddle.matmul(q, k, transpose_y=True) / exercises.ATTENTION["width"] ** 0.5
        out = self.paddle.matmul(self.paddle.nn.functional.softmax(scores, axis=-1), v)
        out.backward(above)
        return [tensor.grad for tensor in (q, k, v)]

    def throughput(self):
        """Figures, of which no verdict is made."""
        n = exercises.FIGURE_SIZE[self.kind]
        a = self.paddle.rand((n, n))
        rate = session.best_rate(2 * n**3, lambda: float(self.paddle.matmul(a, a)[0, 0]))  # waits for the device
        return {"figures": {"matmul_float32_flop_per_s": rate}, "size": n}


def main(probe):
    """Gather the facts."""
    probe.step("import", "import paddle")
    import paddle

    probe.fact("version", paddle.__version__)
    cuda = paddle.is_compiled_with_cuda()
    if cuda:
        probe.build("cuda", lambda: str(paddle.version.cuda()))
        probe.build("cudnn", lambda: str(paddle.version.cudnn()))
    Paddle(paddle, "cpu", "cpu").run(probe, probe.device("cpu"))
    devices = paddle.device.cuda
    for index in probe.gpus(lambda: range(devices.device_count())) if cuda else ():
        capability = "%d.%d" % tuple(devices.get_device_capability(index))
        called = devices.get_device_name(index)
        name = probe.device("cuda:%d" % index, "gpu", called, compute_capability=capability)
        Paddle(paddle, "gpu:%d" % index, "gpu").run(probe, name)
