"""Does PyTorch compute? On the CPU, on each GPU and on Apple's, everything against answers known in float64.

Run by a target environment's own Python, 3.7 or newer::

    PYTHON -I pytorch.py [--gpu] [--thorough] [--trace FD]

Reports raw facts as one JSON document (see ``session.py``); `envkit.checks.frameworks` judges. Exit status: 0 when the
document was written.
"""

import contextlib
import importlib.util
import os
import shutil


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


class Torch:
    """The exercises in PyTorch, on one device."""

    def __init__(self, torch, device, kind):
        """Compute with `torch` on `device`, which is a cpu or a gpu."""
        self.torch = torch
        self.device = device
        self.kind = kind

    def tensor(self, values, shape=None, *, gradient=False, dtype=None):
        """Numbers on the device."""
        made = self.torch.tensor(values, dtype=self.torch.float32)
        if shape is not None:
            made = made.reshape(shape)
        if dtype is not None:
            made = made.to(dtype)
        return made.to(self.device).requires_grad_(gradient)

    def flat(self, tensor):
        """A tensor as floats; converted on the CPU, since not every device has float64."""
        return tensor.detach().cpu().double().reshape(-1).tolist()

    def synchronize(self):
        """Wait for the device."""
        if self.device.startswith("cuda"):
            self.torch.cuda.synchronize(self.device)
        elif self.device == "mps":
            self.torch.mps.synchronize()

    def matmul(self):
        """A product in float32."""
        a, b, answer = exercises.matmul()
        return answer.compare(self.flat(self.torch.matmul(self.tensor(a), self.tensor(b))))

    def bfloat16(self):
        """A product in bfloat16."""
        torch = self.torch
        if not hasattr(torch, "bfloat16"):
            raise session.Skip("this PyTorch has no bfloat16")
        if self.device.startswith("cuda") and torch.cuda.get_device_capability(self.device) < (8, 0):
            raise session.Skip("the GPU has no bfloat16: it came with compute capability 8.0")
        a, b, answer = exercises.matmul("bfloat16")
        return answer.compare(
            self.flat(torch.matmul(self.tensor(a, dtype=torch.bfloat16), self.tensor(b, dtype=torch.bfloat16)))
        )

    def convolution(self):
        """A convolution, on NVIDIA GPUs through cuDNN."""
        x, w, answer = exercises.convolution()
        c = exercises.CONVOLUTION
        image = self.tensor(x, (c["batch"], c["channels"], c["size"], c["size"]))
        filters = self.tensor(w, (c["filters"], c["channels"], c["kernel"], c["kernel"]))
        detail = answer.compare(self.flat(self.torch.nn.functional.conv2d(image, filters, padding=c["padding"])))
        if self.device.startswith("cuda"):
            detail["cudnn"] = bool(self.torch.backends.cudnn.enabled and self.torch.backends.cudnn.is_available())
        return detail

    def regression(self):
        """The gradient of a linear regression, by autograd."""
        x, y, w, answer = exercises.regression()
        weights = self.tensor(w, gradient=True)
        ((self.torch.mv(self.tensor(x), weights) - self.tensor(y)) ** 2).mean().backward()
        return answer.compare(self.flat(weights.grad))

    def attention(self):
        """The gradients of scaled dot-product attention, by autograd."""
        q, k, v, g, answers = exercises.attention()
        inputs = [self.tensor([part], gradient=True) for part in (q, k, v)]
        fused = getattr(self.torch.nn.functional, "scaled_dot_product_attention", None)
        if fused is not None:
            out = fused(*inputs)
        else:  # before 2.0
            scores = inputs[0] @ inputs[1].transpose(-2, -1) / exercises.ATTENTION["width"] ** 0.5
            out = self.torch.softmax(scores, dim=-1) @ inputs[2]
        out.backward(self.tensor([g]))
        return exercises.worst_of([a.compare(self.flat(t.grad)) for a, t in zip(answers, inputs)])

    def compile(self):
        """torch.compile of a small function, exact on small integers."""
        torch = self.torch
        if not hasattr(torch, "compile"):
            raise session.Skip("torch.compile came with PyTorch 2.0")
        if self.kind == "gpu" and importlib.util.find_spec("triton") is None:
            raise session.Skip("triton is not installed")
        if not any(map(shutil.which, filter(None, (os.environ.get("CXX"), "g++", "c++", "clang++")))):
            raise session.Skip("there is no C++ compiler (g++), which torch.compile needs")
        x, answer = exercises.elementwise()
        compiled = torch.compile(lambda t: torch.relu(2 * t + 1) * t)
        return answer.compare(self.flat(compiled(self.tensor(x))))

    def throughput(self):
        """Figures, of which no verdict is made."""
        torch, n = self.torch, FIGURE_SIZE[self.kind]
        figures = {}
        types = [("float32", torch.float32)]
        if self.kind == "gpu" and hasattr(torch, "bfloat16"):
            types.append(("bfloat16", torch.bfloat16))
        for name, dtype in types:
            a = torch.rand(n, n, device=self.device, dtype=dtype)

            def run(a=a):
                torch.matmul(a, a)
                self.synchronize()

            figures["matmul_%s_flop_per_s" % name] = session.best_rate(2 * n**3, run)
        return {"figures": figures, "size": n}

    def run(self, probe, compiles):
        """All of them, in the order in which one explains the next."""
        probe.check("matmul", self.device, self.matmul)
        probe.check("bf16", self.device, self.bfloat16)
        probe.check("conv", self.device, self.convolution)
        probe.check("regression-gradient", self.device, self.regression)
        probe.check("attention-gradient", self.device, self.attention)
        if compiles:
            probe.check("compile", self.device, self.compile)
        probe.check("throughput", self.device, self.throughput)


def be_exact(torch):
    """Full float32 everywhere: TF32 and bfloat16 reductions would be faster and less exact."""
    for settings, name in (
        (torch.backends.cuda.matmul, "allow_tf32"),
        (torch.backends.cudnn, "allow_tf32"),
        (torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction"),
        (torch.backends.cudnn, "benchmark"),
    ):
        with contextlib.suppress(Exception):
            setattr(settings, name, False)


def describe_gpu(torch, index):
    """What PyTorch knows of a GPU; raises when it cannot be asked."""
    facts = {"id": "cuda:%d" % index, "kind": "gpu", "name": torch.cuda.get_device_name(index)}
    facts["compute_capability"] = "%d.%d" % torch.cuda.get_device_capability(index)
    with contextlib.suppress(Exception):
        facts["memory_bytes"] = torch.cuda.get_device_properties(index).total_memory
    return facts


def find_gpus(torch, probe):
    """The CUDA devices as PyTorch lists them."""
    found = []

    def look():
        count = torch.cuda.device_count()
        if not torch.cuda.is_available() or not count:
            torch.cuda.init()  # raises with the reason; is_available only says no
            raise RuntimeError("torch.cuda.is_available() is False")
        found.extend(describe_gpu(torch, index) for index in range(count))
        return {"count": count}

    probe.check("devices", None, look)
    return found


def main():
    """Gather the facts and write them."""
    probe = session.Session("pytorch")
    probe.step("import", "import torch")
    import torch

    cuda = torch.version.cuda
    hip = getattr(torch.version, "hip", None)
    probe.fact("version", torch.__version__)
    probe.build("cuda", lambda: cuda)
    probe.build("hip", lambda: hip)
    be_exact(torch)
    probe.device({"id": "cpu", "kind": "cpu", "name": None})
    Torch(torch, "cpu", "cpu").run(probe, probe.options.thorough and not probe.options.gpu)
    if cuda or hip:
        probe.build("arch_list", torch.cuda.get_arch_list)
        probe.build("cudnn", torch.backends.cudnn.version)
        probe.build("nccl", lambda: ".".join(map(str, torch.cuda.nccl.version())))
    if (cuda or hip) and probe.options.gpu:
        for facts in find_gpus(torch, probe):
            probe.device(facts)
            Torch(torch, facts["id"], "gpu").run(probe, compiles=facts["id"] == "cuda:0")
    mps = getattr(torch.backends, "mps", None)
    if mps is not None and mps.is_available():
        probe.device({"id": "mps", "kind": "gpu", "name": "Apple GPU"})
        Torch(torch, "mps", "gpu").run(probe, compiles=False)
    probe.finish()


if __name__ == "__main__":
    main()
