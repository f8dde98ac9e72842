"""Do ONNX Runtime's providers compute? A matrix product and a convolution on each that is there.

Run by a target environment's own Python, 3.7 or newer::

    PYTHON -I onnxruntime.py [--gpu] [--trace FD]

The model is written here, byte by byte (onnx.proto, https://github.com/onnx/onnx): the package ``onnx`` is not needed.
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

FLOAT = 1  # TensorProto.DataType
IR_VERSION, OPSET = 4, 11  # what every ONNX Runtime since 1.0 reads
PROVIDERS = {"CPUExecutionProvider": "cpu", "CUDAExecutionProvider": "gpu"}


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


class OnnxRuntime:
    """The exercises on one provider."""

    def __init__(self, runtime, numpy, provider):
        """Use `provider` and no other."""
        self.runtime = runtime
        self.numpy = numpy
        self.provider = provider

    def run(self, graph, inputs):
        """What the model answers, as floats; that it ran on this provider is made sure."""
        options = self.runtime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        settings = {"use_tf32": 0} if self.provider == "CUDAExecutionProvider" else {}
        used = self.runtime.InferenceSession(graph, options, providers=[(self.provider, settings)])
        if self.provider not in used.get_providers():
            raise RuntimeError("%s was left out: one of its libraries does not load" % self.provider)
        return [float(value) for value in used.run(None, inputs)[0].reshape(-1)]

    def array(self, values, shape):
        """Numbers for an input."""
        return self.numpy.array(values, dtype="float32").reshape(shape)

    def matmul(self):
        """A product in float32."""
        a, b, answer = exercises.matmul()
        shapes = {"a": (len(a), len(b)), "b": (len(b), len(b[0]))}
        graph = model("MatMul", shapes, (len(a), len(b[0])))
        return answer.compare(self.run(graph, {"a": self.array(a, shapes["a"]), "b": self.array(b, shapes["b"])}))

    def convolution(self):
        """A convolution."""
        x, w, answer = exercises.convolution()
        c = exercises.CONVOLUTION
        shapes = {
            "x": (c["batch"], c["channels"], c["size"], c["size"]),
            "w": (c["filters"], c["channels"], c["kernel"], c["kernel"]),
        }
        output = (c["batch"], c["filters"], c["size"], c["size"])
        graph = model("Conv", shapes, output, [integers("pads", [c["padding"]] * 4)])
        return answer.compare(self.run(graph, {"x": self.array(x, shapes["x"]), "w": self.array(w, shapes["w"])}))


def main():
    """Gather the facts and write them."""
    probe = session.Session("onnxruntime")
    probe.step("import", "import onnxruntime")
    import numpy
    import onnxruntime

    probe.fact("version", onnxruntime.__version__)
    available = onnxruntime.get_available_providers()
    probe.build("providers", lambda: available)
    probe.build("device", onnxruntime.get_device)
    for provider in available:
        kind = PROVIDERS.get(provider)
        if kind is None or (kind == "gpu" and not probe.options.gpu):
            continue
        name = "cpu" if kind == "cpu" else "cuda:0"
        probe.device({"id": name, "kind": kind, "name": None if kind == "cpu" else provider})
        exercise = OnnxRuntime(onnxruntime, numpy, provider)
        probe.check("matmul", name, exercise.matmul)
        probe.check("conv", name, exercise.convolution)
    probe.finish()


if __name__ == "__main__":
    main()
