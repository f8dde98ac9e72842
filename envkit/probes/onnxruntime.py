"""Do ONNX Runtime's providers compute? A matrix product and a convolution on each that is there.

Run through ``session.py``; `envkit.checks.frameworks` judges. The model is written here, byte by byte (onnx.proto,
https://github.com/onnx/onnx): the package ``onnx`` is not needed.
"""

import envkit_exercises as exercises

FLOAT = 1  # TensorProto.DataType
IR_VERSION, OPSET = 4, 11  # what every ONNX Runtime since 1.0 reads
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def varint(number):
    """A number as protobuf writes it."""
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    data.append(number)
    return bytes(data)


def field(number, value):
    """A field of a message: bytes and text with their length, integers as they are."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def value_info(name, shape):
    """A float tensor of a graph: ValueInfoProto."""
    dimensions = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, dimensions)))


def integers(name, values):
    """An attribute of a node: AttributeProto of the type INTS."""
    return field(1, name) + b"".join(field(8, value) for value in values) + field(20, 7)


def model(operation, inputs, output, attributes=()):
    """A model of one node from `inputs`, name to shape, to an output of a shape."""
    node = b"".join(field(1, name) for name in inputs) + field(2, "out") + field(4, operation)
    node += b"".join(field(5, attribute) for attribute in attributes)
    graph = field(1, node) + field(2, "envkit")
    graph += b"".join(field(11, value_info(name, shape)) for name, shape in inputs.items())
    graph += field(12, value_info("out", output))
    return field(1, IR_VERSION) + field(2, "envkit") + field(7, graph) + field(8, field(2, OPSET))


class OnnxRuntime(exercises.Exercises):
    """The exercises on one provider."""

    checks = ("matmul", "conv")

    def __init__(self, runtime, numpy, provider, settings):
        """Use `provider` and no other."""
        self.runtime = runtime
        self.numpy = numpy
        self.provider = provider
        self.settings = settings

    def array(self, values, shape=None):
        """Numbers for an input."""
        made = self.numpy.array(values, dtype="float32")
        return made if shape is None else made.reshape(shape)

    def flat(self, array):
        """An array as floats."""
        return [float(value) for value in array.reshape(-1)]

    def product(self, a, b):
        """A product of matrices."""
        return self.infer("MatMul", {"a": a, "b": b}, (a.shape[0], b.shape[1]))

    def convolve(self, image, filters, padding):
        """A convolution; the image keeps its size."""
        output = (image.shape[0], filters.shape[0], *image.shape[2:])
        return self.infer("Conv", {"x": image, "w": filters}, output, [integers("pads", [padding] * 4)])

    def infer(self, operation, inputs, output, attributes=()):
        """Run a model of one node, and make sure that it ran on this provider."""
        graph = model(operation, {name: array.shape for name, array in inputs.items()}, output, attributes)
        options = self.runtime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        used = self.runtime.InferenceSession(graph, options, providers=[(self.provider, self.settings)])
        if self.provider not in used.get_providers():
            raise RuntimeError("%s was left out: one of its libraries does not load" % self.provider)
        return used.run(None, inputs)[0]


def main(probe):
    """Gather the facts."""
    probe.step("import", "import onnxruntime")
    import numpy
    import onnxruntime

    probe.fact("version", onnxruntime.__version__)
    available = onnxruntime.get_available_providers()
    probe.build("providers", lambda: available)
    probe.build("device", onnxruntime.get_device)
    if CPU in available:
        OnnxRuntime(onnxruntime, numpy, CPU, {}).run(probe, probe.device("cpu"))
    for index in range(probe.options.gpu if CUDA in available else 0):
        settings = {"device_id": index, "use_tf32": 0}
        OnnxRuntime(onnxruntime, numpy, CUDA, settings).run(probe, probe.device("cuda:%d" % index, "gpu", CUDA))
